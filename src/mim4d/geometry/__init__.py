"""Rigid transforms, pinhole cameras and voxel grids: pure functions on tensors, in metres."""
