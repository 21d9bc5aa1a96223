"""What the files of a rig's folder are called. Imports nothing heavy, so that a folder is known."""

RIG, POSES, BOXES, DISTANCES = "cameras.yaml", "poses.csv", "boxes.csv", "distances"
