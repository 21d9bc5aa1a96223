"""Streets from a generator: plans, lanes, ways, outlines, and what is painted on the ground."""
