"""The nuScenes-format tables of a data set: found, read, checked, kept as memory-mapped columns."""
