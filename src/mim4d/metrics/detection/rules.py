"""What the detection challenge of nuScenes fixes: classes, attributes, ranges, thresholds.

Facts of `detection_cvpr_2019` (arXiv 1903.11027, section 4). Lengths are metres.
"""

CLASSES: tuple[str, ...] = (
    "car",
    "truck",
    "bus",
    "trailer",
    "construction_vehicle",
    "pedestrian",
    "motorcycle",
    "bicycle",
    "traffic_cone",
    "barrier",
)
CLASS_RANGES_M = (50.0, 50.0, 50.0, 50.0, 50.0, 40.0, 40.0, 40.0, 30.0, 30.0)
"""How far from the car boxes of each class count, on the ground plane."""

ATTRIBUTES = (
    "pedestrian.moving",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "cycle.with_rider",
    "cycle.without_rider",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
)

MATCH_DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
ERROR_DISTANCE = 2
"""Which of these distances decides the matches whose errors are measured: 2 m."""
ERRORS = ("translation", "scale", "orientation", "velocity", "attribute")
"""Metres, 1 − IoU, radians, m/s, share of wrong ones."""

RECALL_STEPS = 101
MIN_RECALL = 0.1
MIN_PRECISION = 0.1
MAP_WEIGHT = 5
MAX_BOXES_PER_SAMPLE = 500

BARRIER = CLASSES.index("barrier")
CONE = CLASSES.index("traffic_cone")
CYCLES = (CLASSES.index("bicycle"), CLASSES.index("motorcycle"))
UNDEFINED_ERRORS = {
    CONE: (ERRORS.index("orientation"), ERRORS.index("velocity"), ERRORS.index("attribute")),
    BARRIER: (ERRORS.index("velocity"), ERRORS.index("attribute")),
}
"""Errors that a class does not have."""
