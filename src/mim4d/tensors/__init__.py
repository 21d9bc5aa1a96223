"""Small helpers on plain tensors and records of them; they know nothing of cars or cameras."""
