"""Scene flow against truth: points with a known velocity, scores, rows, the view from above."""
