"""The embedded world: small synthetic drives with exact truth, written in the nuScenes v1.0 format.

Streets are laid out by seed (`roads`, `placement`, `layout`), peopled (`traffic`), seen by a rig
(`rig`), traced with Embree (`tracing`), shaded with numba (`shading`) and written as tables and
files (`tables`, `generate`). `ego` is x forward, y left, z up; the ground is the plane z = 0 of
`global`; metres, seconds, radians. Needs `pip install 'mim4d[world]'`; importing this package does
not.
"""
