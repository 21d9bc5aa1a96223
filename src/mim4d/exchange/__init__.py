"""Weights from others and for others: the authors' checkpoints in, encoders out."""
