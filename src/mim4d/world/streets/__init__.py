"""Streets from a generator: plans, lanes, ways along them, outlines, and what is painted on them."""
