"""The embedded world: small synthetic drives with exact truth, written in the nuScenes v1.0 format.

Rooms in the order of the data, each knowing only those before it: `kernels` (numba, noise, ray
casting), `streets`, `objects`, then side by side `light` and `traffic`, `scene` (all of it drawn
from one seed), `sensing` (what the rig measures) and `writing` (tables and files); `generate`
runs them. `ego` is x forward, y left, z up; the ground is the plane z = 0 of `global`; metres,
seconds, radians. Needs `pip install 'mim4d[world]'`; importing this package does not.
"""
