"""Images to voxel features: the masked encoder, the lifting and the temporal decoder."""
