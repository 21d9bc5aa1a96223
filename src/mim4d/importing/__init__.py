"""Drives of any rig, written as data sets in the nuScenes layout.

A plain folder, videos or Argoverse 2 logs become a `Recording`; `write_data_set` makes images of
pinhole cameras of it, chooses key frames and writes tables. Nothing here reads such a data set.
"""
