"""Image features and depth distributions to voxels: by look-up or by splat."""
