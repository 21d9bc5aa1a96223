"""How a whole image meets its target. Imports nothing heavy: the command line lists the choices."""

from typing import Literal

Fit = Literal["inside", "cover"]
"""Shown whole, with padding, or filling the target, cropped."""
