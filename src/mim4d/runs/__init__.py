"""A run folder, read and written in one place: record, checkpoints, metrics, loading."""
