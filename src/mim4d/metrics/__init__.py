"""Predictions and truth to numbers; imports no model."""
