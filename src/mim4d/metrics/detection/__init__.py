"""The detection score of nuScenes (`detection_cvpr_2019`), in arrays."""
