"""What every other room computes with: compiled kernels, repeatable noise, ray casting."""
