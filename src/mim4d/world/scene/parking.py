"""What stands at the kerb: parked vehicles of all kinds, bus stops, two-wheelers on the sidewalk.

Vehicles stand in the direction of the traffic beside them, with few exceptions. World coordinates,
metres, radians.
"""

import math
from dataclasses import dataclass

import numpy as np

from mim4d.world.objects.catalogue import Kind, Specimen
from mim4d.world.objects.site import Site, half_size, rectangle
from mim4d.world.streets.roads import Road
from mim4d.world.traffic.walkers import stand_group

PARKED: tuple[tuple[Kind, float], ...] = (
    ("car", 0.8),
    ("truck", 0.045),
    ("bus", 0.015),
    ("trailer", 0.035),
    ("construction_vehicle", 0.015),
    ("parked_motorcycle", 0.06),
    ("parked_bicycle", 0.03),
)
JUNCTION_GAP_M = 6.0
OVERHANG_M = 0.4  # how far a parked vehicle may stand out of its strip


@dataclass(frozen=True)
class Kerb:
    """One side of a road, between two stations: side 1 is the left one, −1 the right one."""

    road: Road
    side: float
    span_m: tuple[float, float]

    @property
    def strip_m(self) -> float:
        """Width of the parking strip here, 0 if there is none."""
        return self.road.parking_left_m if self.side > 0 else self.road.parking_right_m

    def heading(self, yaw: float) -> float:
        """Heading of the traffic on this side, where the road's is `yaw`."""
        return yaw + (math.pi if self.side > 0 and self.road.lanes_left > 0 else 0.0)


def park_along(site: Site, kerb: Kerb, density: float, rng: np.random.Generator) -> None:
    """Fill a parking strip from one end to the other."""
    station = kerb.span_m[0] + float(rng.uniform(0.0, 4.0))
    kinds, odds = zip(*PARKED, strict=True)
    weights = np.array(odds) * np.where(np.arange(len(odds)) > 0, rng.uniform(0.0, 2.0), 1.0)
    while kerb.strip_m and station < kerb.span_m[1]:
        if rng.random() > density:
            station += float(rng.uniform(4.5, 7.5))
            continue
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        shape = site.stock.draw(kind, rng)
        across = kind in ("parked_motorcycle", "parked_bicycle")
        half = half_size(shape.mesh)
        reach = half[1] + 0.15 if across else half[0]
        station += reach
        _park(site, kerb, station, shape, across, rng)
        station += reach + float(rng.uniform(0.2, 0.5) if across else rng.uniform(0.5, 1.6))


def _park(
    site: Site,
    kerb: Kerb,
    station_m: float,
    shape: Specimen,
    across: bool,
    rng: np.random.Generator,
) -> None:
    half = half_size(shape.mesh)
    too_wide = not across and 2 * half[1] > kerb.strip_m + OVERHANG_M
    if too_wide or kerb.road.near_junction(station_m, JUNCTION_GAP_M + half[0]):
        return
    inward = -(half[0] if across else half[1]) - float(rng.uniform(0.08, 0.3))
    x, y, yaw = kerb.road.beside(station_m, kerb.side, inward)
    heading = kerb.heading(yaw) + float(rng.normal(0.0, 0.015))
    if across:
        heading += math.pi / 2 + float(rng.normal(0.0, 0.12))
    elif rng.random() < 0.06:
        heading += math.pi
    pose = (x, y, heading)
    if site.is_free(rectangle(*pose, *half), 0.1 if across else 0.4):
        site.put(shape, pose, rng)


def bus_stop(site: Site, kerb: Kerb, waiting: bool, rng: np.random.Generator) -> None:
    """A shelter, people who wait, and now and then a bus that stands in the parking strip."""
    shape = site.stock.draw("bus", rng)
    half = half_size(shape.mesh)
    station = float(rng.uniform(kerb.span_m[0] + 10.0, kerb.span_m[1] - 10.0))
    if kerb.road.near_junction(station, JUNCTION_GAP_M + half[0]):
        return
    x, y, yaw = kerb.road.beside(station, kerb.side, -half[1] - 0.15)
    pose = (x, y, kerb.heading(yaw))
    fits = kerb.strip_m > 2 * half[1] - 2 * OVERHANG_M and site.is_free(
        rectangle(*pose, *half), 0.5
    )
    if fits and rng.random() < 0.65:
        site.put(shape, pose, rng)
    if kerb.road.sidewalk_m > 2.4:
        shelter = site.stock.draw("bus_shelter", rng)
        x, y, yaw = kerb.road.beside(station, kerb.side, kerb.road.sidewalk_m - 0.8)
        stand = (x, y, yaw - kerb.side * math.pi / 2)
        if site.is_free(rectangle(*stand, *half_size(shelter.mesh)), 0.1):
            site.put(shelter, stand, rng)
    if waiting:
        spot = kerb.road.beside(station + float(rng.uniform(-2.0, 2.0)), kerb.side, 0.9)
        stand_group(site, spot[:2], yaw - kerb.side * math.pi / 2, rng, most=5)


def rack(site: Site, kerb: Kerb, rng: np.random.Generator) -> None:
    """A row of bicycles or motorcycles across the sidewalk, or one of them along it."""
    kind: Kind = "parked_bicycle" if rng.random() < 0.65 else "parked_motorcycle"
    station = float(rng.uniform(*kerb.span_m))
    alone = kerb.road.sidewalk_m < 2.2 or rng.random() < 0.3
    for k in range(1 if alone else int(rng.integers(2, 7))):
        shape = site.stock.draw(kind, rng)
        half = half_size(shape.mesh)
        along = station + k * (2 * half[1] + float(rng.uniform(0.05, 0.3)))
        depth = kerb.road.sidewalk_m - half[1] - 0.1 if alone else half[0] + 0.25
        x, y, yaw = kerb.road.beside(along, kerb.side, depth)
        lean = float(rng.normal(0.0, 0.06))
        pose = (x, y, yaw + lean + (0.0 if alone else kerb.side * math.pi / 2))
        corners = rectangle(*pose, *half)
        if site.beyond_kerb(corners) > 0.05 and site.is_free(corners, 0.02):
            site.put(shape, pose, rng)
