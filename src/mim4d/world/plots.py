"""The character of a scene, and the plots behind its sidewalks: houses, car parks, gardens."""

import math
from dataclasses import dataclass

import numpy as np

from mim4d.world import models
from mim4d.world.colours import facade_look, foliage_look, plain_look, vehicle_look
from mim4d.world.meshes import Material
from mim4d.world.roads import Road
from mim4d.world.site import Site, rectangle


@dataclass(frozen=True)
class Style:
    """Character of a scene.

    Attributes:
        storeys: Lowest and highest number of storeys.
        built: Share of plots that carry a building.
        setback_m: Least and largest distance from sidewalk to building.
        pitched: Share of pitched roofs.
        green: Share of kerbside places with a tree.
        parked: Share of kerbside places with a car, on the right and on the left.
        lots: Share of open plots that are car parks.
    """

    storeys: tuple[int, int]
    built: float
    setback_m: tuple[float, float]
    pitched: float
    green: float
    parked: tuple[float, float]
    lots: float


def sample_style(rng: np.random.Generator) -> Style:
    """Old town, suburb, business district, industry or park side."""
    kind = str(
        rng.choice(
            ["old", "suburb", "towers", "industry", "park"], p=[0.28, 0.27, 0.15, 0.14, 0.16]
        )
    )
    storeys, built, setback, pitched = {
        "old": ((2, 5), 0.9, (0.0, 1.5), 0.4),
        "suburb": ((1, 2), 0.75, (3.0, 9.0), 0.85),
        "towers": ((4, 12), 0.75, (1.0, 10.0), 0.0),
        "industry": ((2, 3), 0.6, (4.0, 16.0), 0.1),
        "park": ((1, 4), 0.25, (2.0, 14.0), 0.5),
    }[kind]
    parked = (float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.05, 0.95)))
    green = float(rng.choice([0.0, 0.15, 0.45, 0.8]))
    return Style(storeys, built, setback, pitched, green, parked, float(rng.uniform(0.1, 0.6)))


def fill_plots(
    site: Site,
    road: Road,
    span: tuple[float, float],
    side: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
    """Walk along one side of a road, plot after plot."""
    station = span[0]
    setback = float(rng.uniform(*style.setback_m))
    while station < span[1]:
        width = float(rng.uniform(9.0, 15.0) if style.pitched > 0.6 else rng.uniform(11.0, 28.0))
        middle = station + width / 2
        if rng.random() < 0.35:
            setback = float(rng.uniform(*style.setback_m))
        if rng.random() < style.built:
            _house(site, road, middle, side, width, setback, style, rng)
        elif rng.random() < style.lots:
            _car_park(site, road, middle, side, width, rng)
        else:
            _garden(site, road, middle, side, width, rng)
        if rng.random() < 0.45 and setback > 1.0:
            _enclosure(site, road, middle, side, width, rng)
        station += width + (0.3 if rng.random() < 0.5 else float(rng.uniform(1.0, 9.0)))


def _house(
    site: Site,
    road: Road,
    station: float,
    side: float,
    width: float,
    setback: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
    look = facade_look(rng)
    pitch, storey = float(look[6]), float(look[7])
    half_x = max(round((width - 1.0) / pitch), 2) * pitch / 2
    half_y = max(round(float(rng.uniform(8.0, 15.0)) / pitch), 2) * pitch / 2
    height = int(rng.integers(style.storeys[0], style.storeys[1] + 1)) * storey
    pitched = bool(rng.random() < style.pitched) and height < 13.0
    for _ in range(5):
        x, y, yaw = road.beside(station, side, road.sidewalk_m + setback + half_y + 0.6)
        corners = rectangle(x, y, yaw, half_x + 0.5, half_y + 0.5)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.0):
            mesh = models.building(rng, half_x, half_y, height, pitched)
            site.put(mesh, (x, y, yaw), look, rng, "", (half_x + 0.5, half_y + 0.5))
            return
        setback += 1.5
        half_x = max(half_x - pitch / 2, pitch)


def _car_park(
    site: Site,
    road: Road,
    station: float,
    side: float,
    width: float,
    rng: np.random.Generator,
) -> None:
    """One or two rows of cars across the street's direction."""
    full = float(rng.uniform(0.3, 0.95))
    for row in range(int(rng.integers(1, 3))):
        for k in range(int(width // 2.7)):
            mesh = models.car(rng)
            along = station - width / 2 + 1.5 + 2.7 * k
            x, y, yaw = road.beside(along, side, road.sidewalk_m + 3.6 + row * 11.0)
            turn = float(rng.choice([-1.0, 1.0])) * math.pi / 2 + float(rng.normal(0.0, 0.03))
            corners = rectangle(x, y, yaw + turn, 2.5, 1.05)
            if (
                rng.random() < full
                and site.beyond_sidewalk(corners) > 0.3
                and site.is_free(corners, 0.2)
            ):
                site.put(mesh, (x, y, yaw + turn), vehicle_look(rng), rng, "vehicle.car")


def _garden(
    site: Site,
    road: Road,
    station: float,
    side: float,
    width: float,
    rng: np.random.Generator,
) -> None:
    """Trees at random behind the sidewalk."""
    for _ in range(int(rng.integers(0, 2 + int(width / 5)))):
        along = station + float(rng.uniform(-0.5, 0.5)) * width
        x, y, yaw = road.beside(along, side, road.sidewalk_m + float(rng.uniform(1.5, 22.0)))
        corners = rectangle(x, y, yaw, 1.2, 1.2)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.5):
            site.put(models.tree(rng), (x, y, yaw), foliage_look(rng), rng, "", (1.2, 1.2))


def _enclosure(
    site: Site,
    road: Road,
    station: float,
    side: float,
    width: float,
    rng: np.random.Generator,
) -> None:
    """A hedge, fence or wall at the back of the sidewalk, in pieces that follow a bend."""
    kind = int(rng.integers(3))
    material = int((Material.FOLIAGE, Material.PLANKS, Material.MASONRY)[kind])
    thickness = (0.7, 0.08, 0.25)[kind]
    height = float(rng.uniform(0.7, 2.1))
    look = foliage_look(rng) if kind == 0 else plain_look(rng)
    pieces = max(int(width // 5.0), 1)
    for k in range(pieces):
        along = station + (k + 0.5 - pieces / 2) * width / pieces
        x, y, yaw = road.beside(along, side, road.sidewalk_m + 0.2 + thickness)
        mesh = models.barrier(width / pieces, height, thickness, material)
        corners = rectangle(x, y, yaw, width / pieces / 2, thickness / 2)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, -0.02):
            site.put(mesh, (x, y, yaw), look, rng)
