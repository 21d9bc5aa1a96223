"""The character of a scene, and the plots behind its sidewalks: houses, car parks, gardens."""

import math
from dataclasses import dataclass

import numpy as np

from mim4d.world.objects.catalogue import Enclosure, Kind, enclosure, house
from mim4d.world.objects.colours import facade_look
from mim4d.world.objects.site import Site, half_size, rectangle
from mim4d.world.scene.parking import Kerb
from mim4d.world.traffic.walkers import stand_group


@dataclass(frozen=True)
class Style:
    """Character of a scene.

    Attributes:
        storeys: Lowest and highest number of storeys.
        built: Share of plots that carry a building.
        setback_m: Least and largest distance from sidewalk to building.
        pitched: Share of pitched roofs.
        green: Share of kerbside places with a tree.
        parked: Share of kerbside places with a vehicle, on the right and on the left.
        lots: Share of open plots that are car parks.
        yards: Share of the other open plots with trailers, trucks or construction vehicles.
        bustle: How many people stand about, 0 (none) to 2.
    """

    storeys: tuple[int, int]
    built: float
    setback_m: tuple[float, float]
    pitched: float
    green: float
    parked: tuple[float, float]
    lots: float
    yards: float
    bustle: float


def sample_style(rng: np.random.Generator) -> Style:
    """Old town, suburb, business district, industry or park side."""
    kind = str(
        rng.choice(
            ["old", "suburb", "towers", "industry", "park"], p=[0.28, 0.27, 0.15, 0.14, 0.16]
        )
    )
    storeys, built, setback, pitched, yards, bustle = {
        "old": ((2, 5), 0.9, (0.0, 1.5), 0.4, 0.15, 1.3),
        "suburb": ((1, 2), 0.75, (3.0, 9.0), 0.85, 0.15, 0.6),
        "towers": ((4, 12), 0.75, (1.0, 10.0), 0.0, 0.3, 1.6),
        "industry": ((2, 3), 0.6, (4.0, 16.0), 0.1, 0.75, 0.4),
        "park": ((1, 4), 0.25, (2.0, 14.0), 0.5, 0.1, 1.0),
    }[kind]
    parked = (float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.05, 0.95)))
    green = float(rng.choice([0.0, 0.15, 0.45, 0.8]))
    return Style(
        storeys,
        built,
        setback,
        pitched,
        green,
        parked,
        float(rng.uniform(0.1, 0.6)),
        yards,
        bustle * float(rng.uniform(0.1, 1.5)),
    )


@dataclass(frozen=True)
class Plot:
    """A piece of land behind a sidewalk.

    Attributes:
        kerb: The side of the road it lies on.
        middle_m: Station of its middle.
        width_m: Along the road.
    """

    kerb: Kerb
    middle_m: float
    width_m: float

    def pose(self, along_m: float, depth_m: float) -> tuple[float, float, float]:
        """Pose `along_m` from its middle and `depth_m` behind the sidewalk; yaw along the road."""
        road = self.kerb.road
        return road.beside(self.middle_m + along_m, self.kerb.side, road.sidewalk_m + depth_m)


def fill_plots(site: Site, kerb: Kerb, style: Style, rng: np.random.Generator) -> None:
    """Walk along one side of a road, plot after plot."""
    station = kerb.span_m[0]
    setback = float(rng.uniform(*style.setback_m))
    while station < kerb.span_m[1]:
        width = float(rng.uniform(9.0, 15.0) if style.pitched > 0.6 else rng.uniform(11.0, 28.0))
        plot = Plot(kerb, station + width / 2, width)
        if rng.random() < 0.35:
            setback = float(rng.uniform(*style.setback_m))
        if rng.random() < style.built:
            _house(site, plot, setback, style, rng)
        elif rng.random() < style.lots:
            _car_park(site, plot, rng)
        elif rng.random() < style.yards:
            _yard(site, plot, rng)
        else:
            _garden(site, plot, rng)
        if rng.random() < 0.45 and setback > 1.0:
            _enclosure(site, plot, rng)
        station += width + (0.3 if rng.random() < 0.5 else float(rng.uniform(1.0, 9.0)))


def _house(site: Site, plot: Plot, setback: float, style: Style, rng: np.random.Generator) -> None:
    look = facade_look(rng)
    pitch, storey = float(look[6]), float(look[7])
    half_x = max(round((plot.width_m - 1.0) / pitch), 2) * pitch / 2
    half_y = max(round(float(rng.uniform(8.0, 15.0)) / pitch), 2) * pitch / 2
    height = int(rng.integers(style.storeys[0], style.storeys[1] + 1)) * storey
    pitched = bool(rng.random() < style.pitched) and height < 13.0
    for _ in range(5):
        pose = plot.pose(0.0, setback + half_y + 0.6)
        takes = (half_x + 0.5, half_y + 0.5)
        corners = rectangle(*pose, *takes)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.0):
            site.put(house(rng, look, (half_x, half_y), height, pitched), pose, rng, takes)
            return
        setback += 1.5
        half_x = max(half_x - pitch / 2, pitch)


def _car_park(site: Site, plot: Plot, rng: np.random.Generator) -> None:
    """One or two rows of cars across the street's direction."""
    full = float(rng.uniform(0.3, 0.95))
    for row in range(int(rng.integers(1, 3))):
        for k in range(int(plot.width_m // 2.7)):
            kind: Kind = "car" if rng.random() < 0.93 else "parked_motorcycle"
            shape = site.stock.draw(kind, rng)
            x, y, yaw = plot.pose(1.5 + 2.7 * k - plot.width_m / 2, 3.6 + row * 11.0)
            turn = float(rng.choice([-1.0, 1.0])) * math.pi / 2 + float(rng.normal(0.0, 0.03))
            corners = rectangle(x, y, yaw + turn, 2.5, 1.05)
            if (
                rng.random() < full
                and site.beyond_sidewalk(corners) > 0.3
                and site.is_free(corners, 0.2)
            ):
                site.put(shape, (x, y, yaw + turn), rng)


def _yard(site: Site, plot: Plot, rng: np.random.Generator) -> None:
    """Trailers and trucks side by side, or a building site behind barriers."""
    building = rng.random() < 0.45
    kinds: tuple[Kind, ...] = ("trailer", "truck", "trailer", "bus")
    along = -plot.width_m / 2 + 1.0
    while along < plot.width_m / 2 - 2.0:
        kind = "construction_vehicle" if building else kinds[int(rng.integers(len(kinds)))]
        shape = site.stock.draw(kind, rng)
        half = half_size(shape.mesh)
        turn = float(rng.choice([-1.0, 1.0])) * math.pi / 2
        turn += float(rng.normal(0.0, 0.5 if building else 0.02))
        x, y, yaw = plot.pose(along + half[1], half[0] + float(rng.uniform(2.0, 5.0)))
        corners = rectangle(x, y, yaw + turn, *half)
        if site.beyond_sidewalk(corners) > 0.3 and site.is_free(corners, 0.3):
            site.put(shape, (x, y, yaw + turn), rng)
        along += 2 * half[1] + float(rng.uniform(4.0, 9.0) if building else rng.uniform(0.8, 4.0))
    if building:
        _fence_off(site, plot, rng)


def _fence_off(site: Site, plot: Plot, rng: np.random.Generator) -> None:
    """A row of barriers at the back of the sidewalk, and workers before it."""
    shape = site.stock.draw("barrier", rng)
    half = half_size(shape.mesh)
    for along in np.arange(half[1] - plot.width_m / 2, plot.width_m / 2, 2 * half[1] + 0.15):
        x, y, yaw = plot.pose(float(along), 0.5)
        pose = (x, y, yaw + plot.kerb.side * math.pi / 2 + float(rng.normal(0.0, 0.03)))
        corners = rectangle(*pose, *half)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.02):
            site.put(shape, pose, rng)
    x, y, yaw = plot.pose(float(rng.uniform(-3.0, 3.0)), -0.7)
    stand_group(site, (x, y), yaw + math.pi / 2, rng, "standing_worker", most=3)


def _garden(site: Site, plot: Plot, rng: np.random.Generator) -> None:
    """Trees at random behind the sidewalk."""
    for _ in range(int(rng.integers(0, 2 + int(plot.width_m / 5)))):
        along = float(rng.uniform(-0.5, 0.5)) * plot.width_m
        pose = plot.pose(along, float(rng.uniform(1.5, 22.0)))
        corners = rectangle(*pose, 1.2, 1.2)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, 0.5):
            site.put(site.stock.draw("tree", rng), pose, rng, (1.2, 1.2))


def _enclosure(site: Site, plot: Plot, rng: np.random.Generator) -> None:
    """A hedge, fence or wall at the back of the sidewalk, in pieces that follow a bend."""
    kinds: tuple[Enclosure, ...] = ("hedge", "fence", "wall")
    kind = kinds[int(rng.integers(3))]
    height = float(rng.uniform(0.7, 2.1))
    pieces = max(int(plot.width_m // 5.0), 1)
    length = plot.width_m / pieces
    shape = enclosure(rng, kind, length, height)
    half = half_size(shape.mesh)
    for k in range(pieces):
        pose = plot.pose((k + 0.5 - pieces / 2) * length, 0.2 + 2 * half[1])
        corners = rectangle(*pose, *half)
        if site.beyond_sidewalk(corners) > 0.0 and site.is_free(corners, -0.02):
            site.put(shape, pose, rng)
