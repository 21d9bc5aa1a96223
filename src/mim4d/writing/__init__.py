"""Data sets in the nuScenes v1.0 layout, written: rows of its tables, its maps, its folder.

What writes such data (the embedded world, the importers) shares this room and nothing else.
"""
