"""Volume and rays to colour and distance: a NeuS renderer in metres."""
