"""Distances without LiDAR: what other cameras and frames say about the depth of a pixel."""
