"""`mim4d viewer`: a scene in three dimensions, in the browser."""
