"""Files on disk to `Clip`."""
