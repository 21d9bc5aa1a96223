"""From what a ray hits to the levels of a picture: materials, sun and sky, shadows, the lens."""
