"""Images to voxel features: masked image encoder, neck, depth head, lifting, volume convolution."""
