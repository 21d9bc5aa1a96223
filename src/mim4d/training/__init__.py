"""Everything around the model while it trains: loop, steps, schedules, processes, callbacks."""
