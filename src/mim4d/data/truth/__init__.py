"""Exact truth of the embedded world, for evaluation and labels of occupancy alone."""
