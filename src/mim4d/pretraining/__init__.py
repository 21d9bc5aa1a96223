"""The pre-training task: mask, encode, drop a frame, rebuild it, render."""
