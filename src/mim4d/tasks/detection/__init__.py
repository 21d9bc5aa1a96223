"""3D detection: boxes, two kinds of heads on the trunk's volume, and the task that joins them."""
