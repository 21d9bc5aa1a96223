"""What the world is furnished and populated with: a specimen of any kind, drawn from a generator.

Meshes are in the object's own axes (x forward, y left, z up; origin at the middle of the footprint
on the ground; metres); their extent is the annotated box. Signs and lamps face along x, and so does
a barrier, whose length runs along y (as in nuScenes, where it is the width of the box).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from mim4d.world import classes, colours, cycles, models, street_furniture, vehicles
from mim4d.world.meshes import Material, Mesh

Kind = Literal[
    "car",
    "truck",
    "tractor",
    "bus",
    "bendy_bus",
    "trailer",
    "construction_vehicle",
    "parked_motorcycle",
    "ridden_motorcycle",
    "parked_bicycle",
    "ridden_bicycle",
    "walker",
    "stander",
    "walking_child",
    "standing_child",
    "walking_worker",
    "standing_worker",
    "traffic_cone",
    "barrier",
    "tree",
    "street_tree",
    "lamp_post",
    "sign_post",
    "traffic_light",
    "cabinet",
    "bollard",
    "bench",
    "bus_shelter",
    "billboard",
]
Enclosure = Literal["hedge", "fence", "wall"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Look = Float[np.ndarray, "10"]


@dataclass(frozen=True)
class Specimen:
    """One object to be placed.

    Attributes:
        mesh: Shape in its own axes.
        look: Colours and form: what `Thing.look` takes.
        category: nuScenes category; empty for what is not annotated.
        rider: Somebody sits on it (two-wheelers).
    """

    mesh: Mesh
    look: Look
    category: str = ""
    rider: bool = False


def specimen(kind: Kind, rng: np.random.Generator) -> Specimen:
    """Draw one of a kind."""
    shape, look, category = _RECIPES[kind]
    return Specimen(shape(rng), look(rng), category, kind.startswith("ridden"))


def look_of(kind: Kind, rng: np.random.Generator) -> Look:
    """Draw colours and form for any shape of a kind."""
    return _RECIPES[kind][1](rng)


def house(
    rng: np.random.Generator,
    look: Look,
    half_m: tuple[float, float],
    height_m: float,
    pitched: bool,
) -> Specimen:
    """A building whose footprint is centred at its origin.

    Args:
        rng: Of its details.
        look: Its `colours.facade_look`, which the caller needs for whole windows and storeys.
        half_m: Half sizes along x and y.
        height_m: Up to the eaves.
        pitched: With a gable instead of a flat roof.
    """
    return Specimen(models.building(rng, *half_m, height_m, pitched), look)


def enclosure(
    rng: np.random.Generator, kind: Enclosure, length_m: float, height_m: float
) -> Specimen:
    """A hedge, fence or wall along x."""
    material, thickness, look = {
        "hedge": (Material.FOLIAGE, 0.7, colours.foliage_look),
        "fence": (Material.PLANKS, 0.08, colours.plain_look),
        "wall": (Material.MASONRY, 0.25, colours.plain_look),
    }[kind]
    return Specimen(models.barrier(length_m, height_m, thickness, int(material)), look(rng))


_RECIPES: dict[
    Kind, tuple[Callable[[np.random.Generator], Mesh], Callable[[np.random.Generator], Look], str]
] = {
    "car": (models.car, colours.vehicle_look, classes.CAR),
    "truck": (models.truck, colours.vehicle_look, classes.TRUCK),
    "tractor": (vehicles.tractor, colours.vehicle_look, classes.TRUCK),
    "bendy_bus": (vehicles.bendy_bus, colours.vehicle_look, classes.BENDY_BUS),
    "bus": (vehicles.bus, colours.vehicle_look, classes.BUS),
    "trailer": (vehicles.trailer, colours.vehicle_look, classes.TRAILER),
    "construction_vehicle": (
        vehicles.construction_vehicle,
        colours.vehicle_look,
        classes.CONSTRUCTION,
    ),
    "parked_motorcycle": (
        lambda rng: cycles.motorcycle(rng, False),
        colours.person_look,
        classes.MOTORCYCLE,
    ),
    "ridden_motorcycle": (
        lambda rng: cycles.motorcycle(rng, True),
        colours.person_look,
        classes.MOTORCYCLE,
    ),
    "parked_bicycle": (
        lambda rng: cycles.bicycle(rng, False),
        colours.person_look,
        classes.BICYCLE,
    ),
    "ridden_bicycle": (lambda rng: cycles.bicycle(rng, True), colours.person_look, classes.BICYCLE),
    "walker": (models.pedestrian, colours.person_look, classes.ADULT),
    "stander": (models.pedestrian, colours.person_look, classes.ADULT),
    "walking_child": (models.pedestrian, colours.person_look, classes.CHILD),
    "standing_child": (models.pedestrian, colours.person_look, classes.CHILD),
    "walking_worker": (models.pedestrian, colours.person_look, classes.WORKER),
    "standing_worker": (models.pedestrian, colours.person_look, classes.WORKER),
    "traffic_cone": (street_furniture.traffic_cone, colours.plain_look, classes.CONE),
    "barrier": (street_furniture.road_barrier, colours.plain_look, classes.BARRIER),
    "tree": (models.tree, colours.foliage_look, ""),
    "street_tree": (lambda rng: models.tree(rng, street=True), colours.foliage_look, ""),
    "lamp_post": (models.lamp_post, colours.plain_look, ""),
    "sign_post": (models.sign_post, colours.plain_look, ""),
    "traffic_light": (street_furniture.traffic_light, colours.plain_look, ""),
    "cabinet": (models.cabinet, colours.plain_look, ""),
    "bollard": (street_furniture.bollard, colours.plain_look, ""),
    "bench": (street_furniture.bench, colours.plain_look, ""),
    "bus_shelter": (street_furniture.bus_shelter, colours.plain_look, ""),
    "billboard": (street_furniture.billboard, colours.plain_look, ""),
}
