"""What stands along the streets of a scene: plots with buildings, walls and gardens; trees; parked cars.

The character of a scene (`Style`) is drawn first: how tall, how dense, how far from the road, how green.
Then every side of every road is walked from end to end. All by the generator given.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mim4d.world import models
from mim4d.world.colours import facade_look, foliage_look, plain_look, vehicle_look
from mim4d.world.meshes import Material, Mesh
from mim4d.world.roads import Road, StreetPlan
from mim4d.world.site import Site, Thing, rectangle


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


def furnish(site: Site, plan: StreetPlan, style: Style, rng: np.random.Generator) -> None:
    """Put everything that does not move onto the site."""
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for side in (1.0, -1.0):
            _park_along(site, road, span, side, style.parked[0 if side < 0 else 1], rng)
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for side in (1.0, -1.0):
            _kerbside(site, road, span, side, style, rng)
            _plots(site, road, span, side, style, rng)
    _skyline(site, plan, style, rng)


def _beside(
    road: Road, station_m: float, side: float, beyond_kerb_m: float
) -> tuple[float, float, float]:
    """Pose beside the road, outside its kerb by the given distance; yaw along the road."""
    x, y, yaw = road.curve.poses(np.array([station_m]))[0]
    out = side * ((road.left_edge_m if side > 0 else road.right_edge_m) + beyond_kerb_m)
    return float(x - out * math.sin(yaw)), float(y + out * math.cos(yaw)), float(yaw)


def _put(
    site: Site,
    mesh: Mesh,
    pose: tuple[float, float, float],
    look: Float[np.ndarray, "10"],
    rng: np.random.Generator,
    category: str = "",
    footprint_m: tuple[float, float] | None = None,
) -> None:
    low, high = mesh.extent()
    half_x, half_y = footprint_m or (max(-low[0], high[0]), max(-low[1], high[1]))
    thing = Thing(mesh, *pose, look, int(rng.integers(1 << 20)), category)
    site.add(thing, rectangle(*pose, float(half_x), float(half_y)))


def _near_junction(road: Road, station_m: float, gap_m: float) -> bool:
    start, end = road.junction_m
    return start - gap_m < station_m < end + gap_m


def _park_along(
    site: Site,
    road: Road,
    span: tuple[float, float],
    side: float,
    density: float,
    rng: np.random.Generator,
) -> None:
    width = road.parking_left_m if side > 0 else road.parking_right_m
    station = span[0] + float(rng.uniform(0.0, 4.0))
    while width and station < span[1]:
        long = rng.random() < 0.08
        step = 11.0 if long else 6.0
        if rng.random() < density and not _near_junction(road, station, 8.0):
            mesh = models.truck(rng) if long else models.car(rng)
            low, high = mesh.extent()
            inward = -float(high[1]) - float(rng.uniform(0.08, 0.3))
            x, y, yaw = _beside(road, station + float(rng.uniform(-0.3, 0.3)), side, inward)
            against = (side > 0) != (rng.random() < 0.1) and road.lanes_left > 0
            pose = (x, y, yaw + (math.pi if against else 0.0) + float(rng.normal(0.0, 0.015)))
            half = (float(high[0] - low[0]) / 2, float(high[1] - low[1]) / 2)
            if site.is_free(rectangle(*pose, *half), 0.4):
                category = "vehicle.truck" if long else "vehicle.car"
                _put(site, mesh, pose, vehicle_look(rng), rng, category)
        station += step + float(rng.uniform(0.0, 0.8))


def _kerbside(
    site: Site,
    road: Road,
    span: tuple[float, float],
    side: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
    """Trees, lamps, signs and cabinets on the sidewalk."""
    station, lamp = span[0] + float(rng.uniform(0.0, 8.0)), float(rng.uniform(0.0, 30.0))
    while station < span[1]:
        x, y, yaw = _beside(road, station, side, 0.55)
        facing = yaw - side * math.pi / 2
        lamp -= 8.0
        corners = rectangle(x, y, yaw, 0.4, 0.4)
        if site.beyond_kerb(corners) > 0.05 and site.is_free(corners, 0.1):
            if lamp < 0.0:
                lamp += float(rng.uniform(24.0, 34.0))
                _put(
                    site,
                    models.lamp_post(rng),
                    (x, y, facing),
                    plain_look(rng),
                    rng,
                    "",
                    (0.2, 0.2),
                )
            elif rng.random() < style.green:
                _put(
                    site,
                    models.tree(rng, street=True),
                    (x, y, yaw),
                    foliage_look(rng),
                    rng,
                    "",
                    (0.4, 0.4),
                )
            elif rng.random() < 0.12:
                sign = rng.random() < 0.6
                mesh = models.sign_post(rng) if sign else models.cabinet(rng)
                turn = yaw if sign else facing
                _put(site, mesh, (x, y, turn), plain_look(rng), rng, "", (0.4, 0.4))
        station += float(rng.uniform(6.0, 10.0))


def _plots(
    site: Site,
    road: Road,
    span: tuple[float, float],
    side: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
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
        x, y, yaw = _beside(road, station, side, road.sidewalk_m + setback + half_y + 0.6)
        corners = rectangle(x, y, yaw, half_x + 0.5, half_y + 0.5)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.0):
            mesh = models.building(rng, half_x, half_y, height, pitched)
            _put(site, mesh, (x, y, yaw), look, rng, "", (half_x + 0.5, half_y + 0.5))
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
            x, y, yaw = _beside(road, along, side, road.sidewalk_m + 3.6 + row * 11.0)
            turn = float(rng.choice([-1.0, 1.0])) * math.pi / 2 + float(rng.normal(0.0, 0.03))
            corners = rectangle(x, y, yaw + turn, 2.5, 1.05)
            if (
                rng.random() < full
                and site.beyond_sidewalk(corners) > 0.3
                and site.is_free(corners, 0.2)
            ):
                _put(site, mesh, (x, y, yaw + turn), vehicle_look(rng), rng, "vehicle.car")


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
        x, y, yaw = _beside(road, along, side, road.sidewalk_m + float(rng.uniform(1.5, 22.0)))
        corners = rectangle(x, y, yaw, 1.2, 1.2)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.5):
            _put(site, models.tree(rng), (x, y, yaw), foliage_look(rng), rng, "", (1.2, 1.2))


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
        x, y, yaw = _beside(road, along, side, road.sidewalk_m + 0.2 + thickness)
        mesh = models.barrier(width / pieces, height, thickness, material)
        corners = rectangle(x, y, yaw, width / pieces / 2, thickness / 2)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, -0.02):
            _put(site, mesh, (x, y, yaw), look, rng)


def _skyline(site: Site, plan: StreetPlan, style: Style, rng: np.random.Generator) -> None:
    """Larger buildings and trees some way behind, seen through the gaps."""
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for _ in range(int((span[1] - span[0]) / 9.0)):
            station, side = float(rng.uniform(*span)), float(rng.choice([-1.0, 1.0]))
            x, y, yaw = _beside(road, station, side, float(rng.uniform(28.0, 75.0)))
            if rng.random() < 0.45:
                corners = rectangle(x, y, yaw, 2.0, 2.0)
                if site.beyond_sidewalk(corners) > 1.0 and site.is_free(corners, 1.0):
                    _put(
                        site, models.tree(rng), (x, y, yaw), foliage_look(rng), rng, "", (2.0, 2.0)
                    )
                continue
            look = facade_look(rng)
            pitch, storey = float(look[6]), float(look[7])
            half_x, half_y = (float(rng.integers(3, 7)) * pitch / 2 for _ in range(2))
            corners = rectangle(x, y, yaw, half_x + 0.5, half_y + 0.5)
            if site.beyond_sidewalk(corners) > 2.0 and site.is_free(corners, 0.5):
                storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 3))
                mesh = models.building(rng, half_x, half_y, storeys * storey, storeys < 4)
                _put(site, mesh, (x, y, yaw), look, rng, "", (half_x + 0.5, half_y + 0.5))
