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

from mim4d.world.objects import (
    buildings,
    buses,
    cars,
    classes,
    colours,
    cycles,
    machines,
    people,
    plants,
    street_furniture,
    trucks,
)
from mim4d.world.objects.meshes import Material, Mesh

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
    "planter",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Enclosure = Literal["hedge", "fence", "wall"]
Look = Float[np.ndarray, "10"]
Shape = Callable[[np.random.Generator], Mesh]


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
        pitched: With a pitched instead of a flat roof.
    """
    block = buildings.Block(
        *half_m, height_m, pitch=float(look[6]), storey=float(look[7]), style=int(look[9])
    )
    return Specimen(buildings.building(rng, block, pitched), look)


def enclosure(
    rng: np.random.Generator, kind: Enclosure, length_m: float, height_m: float
) -> Specimen:
    """A hedge, fence or wall along x."""
    material, thickness, look = {
        "hedge": (Material.FOLIAGE, 0.7, colours.foliage_look),
        "fence": (Material.PLANKS, 0.08, colours.plain_look),
        "wall": (Material.MASONRY, 0.25, colours.plain_look),
    }[kind]
    mesh = buildings.enclosure(length_m, height_m, thickness, int(material))
    return Specimen(mesh, look(rng))


def _ridden(shape: Callable[[np.random.Generator, bool], Mesh], rider: bool) -> Shape:
    return lambda rng: shape(rng, rider)


def _on_foot(sort: people.Sort, walking: bool) -> Shape:
    return lambda rng: people.pedestrian(rng, sort, walking)


_RECIPES: dict[Kind, tuple[Shape, Callable[[np.random.Generator], Look], str]] = {
    "car": (cars.car, colours.vehicle_look, classes.CAR),
    "truck": (trucks.truck, colours.company_look, classes.TRUCK),
    "tractor": (trucks.tractor, colours.company_look, classes.TRUCK),
    "bus": (buses.bus, colours.company_look, classes.BUS),
    "bendy_bus": (buses.bendy_bus, colours.company_look, classes.BENDY_BUS),
    "trailer": (trucks.trailer, colours.company_look, classes.TRAILER),
    "construction_vehicle": (
        machines.construction_vehicle,
        colours.machine_look,
        classes.CONSTRUCTION,
    ),
    "parked_motorcycle": (
        _ridden(cycles.motorcycle, False),
        colours.cycle_look,
        classes.MOTORCYCLE,
    ),
    "ridden_motorcycle": (_ridden(cycles.motorcycle, True), colours.cycle_look, classes.MOTORCYCLE),
    "parked_bicycle": (_ridden(cycles.bicycle, False), colours.cycle_look, classes.BICYCLE),
    "ridden_bicycle": (_ridden(cycles.bicycle, True), colours.cycle_look, classes.BICYCLE),
    "walker": (_on_foot("adult", True), colours.person_look, classes.ADULT),
    "stander": (_on_foot("adult", False), colours.person_look, classes.ADULT),
    "walking_child": (_on_foot("child", True), colours.person_look, classes.CHILD),
    "standing_child": (_on_foot("child", False), colours.person_look, classes.CHILD),
    "walking_worker": (_on_foot("worker", True), colours.worker_look, classes.WORKER),
    "standing_worker": (_on_foot("worker", False), colours.worker_look, classes.WORKER),
    "traffic_cone": (street_furniture.traffic_cone, colours.cone_look, classes.CONE),
    "barrier": (street_furniture.road_barrier, colours.barrier_look, classes.BARRIER),
    "tree": (plants.tree, colours.foliage_look, ""),
    "street_tree": (plants.street_tree, colours.foliage_look, ""),
    "lamp_post": (street_furniture.lamp_post, colours.plain_look, ""),
    "sign_post": (street_furniture.sign_post, colours.sign_look, ""),
    "traffic_light": (street_furniture.traffic_light, colours.plain_look, ""),
    "cabinet": (street_furniture.cabinet, colours.plain_look, ""),
    "bollard": (street_furniture.bollard, colours.plain_look, ""),
    "bench": (street_furniture.bench, colours.plain_look, ""),
    "bus_shelter": (street_furniture.bus_shelter, colours.plain_look, ""),
    "billboard": (street_furniture.billboard, colours.plain_look, ""),
    "planter": (street_furniture.planter, colours.foliage_look, ""),
}
