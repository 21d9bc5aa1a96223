"""Lenses: which direction each pixel looks along, and which pixel shows a direction.

`lens.py` is the door; the other files hold one law of bending each.
"""
