"""Everything around the model while it trains: steps, schedules, checkpoints, the run folder."""
