"""Image files to pixels at their place in the target, and the masks that belong to them."""
