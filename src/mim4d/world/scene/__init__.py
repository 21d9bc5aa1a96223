"""One scene, drawn from a seed: streets, plots, what stands there, and the town it lies in."""
