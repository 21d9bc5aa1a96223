"""Config to objects: the one room that reads a config and wires the parts."""
