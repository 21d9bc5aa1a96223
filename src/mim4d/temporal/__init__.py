"""Volumes of other frames to the volume of a dropped one: ego-motion warp, scene flow, decoder."""
