"""Measurements to files in the nuScenes v1.0 format: tables, maps, CAN bus, `truth/`."""
