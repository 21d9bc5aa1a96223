"""Reads a whole data set before a long run and names what is wrong with it (`mim4d check`)."""
