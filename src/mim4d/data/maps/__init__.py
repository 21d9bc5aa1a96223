"""Vector maps: files of the nuScenes map expansion to lines, polygons and rasters in `ref`."""
