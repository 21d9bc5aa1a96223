"""Exact truth of the embedded world, for evaluation only; training never opens this."""
