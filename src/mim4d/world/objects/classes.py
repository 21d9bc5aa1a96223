"""Categories and attributes of the embedded world's annotations: names as in nuScenes.

Each of the ten detection classes of nuScenes is covered by at least one category.
"""

ADULT = "human.pedestrian.adult"
CHILD = "human.pedestrian.child"
WORKER = "human.pedestrian.construction_worker"
BARRIER = "movable_object.barrier"
CONE = "movable_object.trafficcone"
BICYCLE = "vehicle.bicycle"
BENDY_BUS = "vehicle.bus.bendy"
BUS = "vehicle.bus.rigid"
CAR = "vehicle.car"
CONSTRUCTION = "vehicle.construction"
MOTORCYCLE = "vehicle.motorcycle"
TRAILER = "vehicle.trailer"
TRUCK = "vehicle.truck"

DETECTION_CLASS = {
    ADULT: "pedestrian",
    CHILD: "pedestrian",
    WORKER: "pedestrian",
    BARRIER: "barrier",
    CONE: "traffic_cone",
    BICYCLE: "bicycle",
    BENDY_BUS: "bus",
    BUS: "bus",
    CAR: "car",
    CONSTRUCTION: "construction_vehicle",
    MOTORCYCLE: "motorcycle",
    TRAILER: "trailer",
    TRUCK: "truck",
}
CATEGORIES = tuple(DETECTION_CLASS)
ATTRIBUTES = (
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "pedestrian.moving",
)
STILL_MPS = 0.2  # slower than this counts as standing


def attribute_of(category: str, speed_mps: float, parked: bool, rider: bool) -> str:
    """The nuScenes attribute of an object: what it does, or whether somebody rides it.

    Args:
        category: One of `CATEGORIES`.
        speed_mps: Speed over ground, metres per second.
        parked: It stands for the whole scene (vehicles).
        rider: Somebody sits on it (bicycles and motorcycles).

    Returns:
        One of `ATTRIBUTES`; empty for cones and barriers, which have none.

    Raises:
        ValueError: `category` is not one of `CATEGORIES`.
    """
    if category not in DETECTION_CLASS:
        raise ValueError(f"category {category!r} is none of {', '.join(CATEGORIES)}")
    moving = speed_mps > STILL_MPS
    if category in (BARRIER, CONE):
        return ""
    if category in (BICYCLE, MOTORCYCLE):
        return "cycle.with_rider" if rider else "cycle.without_rider"
    if category in (ADULT, CHILD, WORKER):
        return "pedestrian.moving" if moving else "pedestrian.standing"
    if moving:
        return "vehicle.moving"
    return "vehicle.parked" if parked else "vehicle.stopped"
