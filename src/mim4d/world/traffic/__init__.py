"""Who moves and how: vehicles along lanes, signals, people on foot."""
