"""Checkpoints of the authors' release: their names and values, and ours."""
