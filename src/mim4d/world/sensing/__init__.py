"""What the sensors of the car measure of a scene, with the truth of every measurement."""
