"""`mim4d bench`: where the time of a step and of loading goes."""
