"""Road works: barriers in a row, cones in a taper, workers, a construction vehicle.

They close a piece of a parking strip, of a lane's edge, of the sidewalk, or fence off an open plot.
A barrier's length runs along its y axis. World coordinates, metres, radians.
"""

import math

import numpy as np

from mim4d.world.objects.catalogue import Kind
from mim4d.world.objects.site import Site, half_size, rectangle
from mim4d.world.scene.parking import Kerb
from mim4d.world.streets.roads import StreetPlan
from mim4d.world.traffic.walkers import stand_group

GAP_M = 0.12  # between barriers of a row
KEEP_OFF_M = 5.0  # from junctions and crossings
NEAR_ROUTE_M = (-10.0, 45.0)  # stations of the ego car's route around which works begin


def dig(site: Site, plan: StreetPlan, travel_m: float, rng: np.random.Generator) -> bool:
    """One piece of road works beside the ego car's way; whether there was room for it.

    Args:
        site: Where to put it.
        plan: The streets.
        travel_m: How far the ego car goes along its route.
        rng: Source of every choice.
    """
    along = float(rng.uniform(NEAR_ROUTE_M[0], travel_m + NEAR_ROUTE_M[1]))
    x, y, _ = map(float, plan.route.poses(np.array([along]))[0])
    road = plan.roads[int(rng.integers(len(plan.roads)))]
    middle, half = road.curve.station_of(x, y), float(rng.uniform(4.0, 11.0))
    side = -1.0 if rng.random() < 0.65 else 1.0
    kerb = Kerb(road, side, (middle - half, middle + half))
    if road.near_junction(middle, half + KEEP_OFF_M):
        return False
    if kerb.strip_m and rng.random() < 0.65:
        return _close_strip(site, kerb, rng)
    if not kerb.strip_m and road.lane_width_m > 3.3 and rng.random() < 0.4:
        return _close_edge(site, kerb, rng)
    return _close_sidewalk(site, kerb, rng)


def _close_strip(site: Site, kerb: Kerb, rng: np.random.Generator) -> bool:
    """Barriers between the strip and the lane, cones across both of its ends."""
    inner = -kerb.strip_m + 0.3
    low, high = kerb.span_m
    built = _row(site, kerb, (low, high), inner, rng)
    upstream = kerb.heading(0.0) == 0.0
    first, last = (low, high) if upstream else (high, low)
    away = -1.0 if upstream else 1.0
    for k in range(5):
        _cone(site, kerb, first + away * (0.8 + 1.4 * (4 - k)), inner - 0.05 + 0.4 * (4 - k), rng)
    for k in range(3):
        _cone(site, kerb, last - away * 0.8, inner + 0.1 + 0.6 * k, rng)
    if rng.random() < 0.75:
        _machine(site, kerb, inner + 0.35, rng)
    _workers(site, kerb, rng)
    return built


def _close_edge(site: Site, kerb: Kerb, rng: np.random.Generator) -> bool:
    """Barriers or cones in the gutter."""
    if rng.random() < 0.5:
        return _row(site, kerb, kerb.span_m, -0.33, rng)
    count = max(int((kerb.span_m[1] - kerb.span_m[0]) / 2.5), 3)
    stations = np.linspace(*kerb.span_m, count)
    return all([_cone(site, kerb, float(station), -0.35, rng) for station in stations])


def _close_sidewalk(site: Site, kerb: Kerb, rng: np.random.Generator) -> bool:
    """Barriers along the kerb and across the sidewalk, cones at the corners."""
    low, high = kerb.span_m
    built = _row(site, kerb, (low, high), 0.35, rng)
    for station in (low - 0.5, high + 0.5):
        _across(site, kerb, station, rng)
        _cone(site, kerb, station + math.copysign(0.7, station - (low + high) / 2), 0.4, rng)
    if rng.random() < 0.6:
        _machine(site, kerb, 0.8, rng)
    _workers(site, kerb, rng)
    return built


def _row(
    site: Site,
    kerb: Kerb,
    span_m: tuple[float, float],
    beyond_kerb_m: float,
    rng: np.random.Generator,
) -> bool:
    """Barriers of one kind along the road; whether any of them found room."""
    shape = site.stock.draw("barrier", rng)
    half = half_size(shape.mesh)
    station, placed = span_m[0] + half[1], 0
    while station + half[1] < span_m[1]:
        x, y, yaw = kerb.road.beside(station, kerb.side, beyond_kerb_m)
        pose = (x, y, yaw + kerb.side * math.pi / 2 + float(rng.normal(0.0, 0.015)))
        if site.is_free(rectangle(*pose, *half), 0.01):
            site.put(shape, pose, rng)
            placed += 1
        station += 2 * half[1] + GAP_M
    return placed > 0


def _across(site: Site, kerb: Kerb, station_m: float, rng: np.random.Generator) -> None:
    """One or two barriers across the sidewalk."""
    shape = site.stock.draw("barrier", rng)
    half = half_size(shape.mesh)
    beyond = 0.75 + half[1]
    while beyond + half[1] < kerb.road.sidewalk_m + 0.5:
        x, y, yaw = kerb.road.beside(station_m, kerb.side, beyond)
        if site.is_free(rectangle(x, y, yaw, *half), 0.01):
            site.put(shape, (x, y, yaw), rng)
        beyond += 2 * half[1] + GAP_M


def _cone(
    site: Site, kerb: Kerb, station_m: float, beyond_kerb_m: float, rng: np.random.Generator
) -> bool:
    shape = site.stock.draw("traffic_cone", rng)
    x, y, yaw = kerb.road.beside(
        station_m, kerb.side, min(beyond_kerb_m, -0.25) if beyond_kerb_m < 0.3 else beyond_kerb_m
    )
    pose = (x, y, yaw + float(rng.uniform(-0.6, 0.6)))
    free = site.is_free(rectangle(*pose, *half_size(shape.mesh)), 0.02)
    if free:
        site.put(shape, pose, rng)
    return free


def _machine(site: Site, kerb: Kerb, inner_m: float, rng: np.random.Generator) -> None:
    """A construction vehicle or a truck behind the barriers, its inner side at `inner_m`."""
    kind: Kind = "construction_vehicle" if rng.random() < 0.75 else "truck"
    shape = site.stock.draw(kind, rng)
    half = half_size(shape.mesh)
    for _ in range(4):
        station = float(rng.uniform(*kerb.span_m))
        x, y, yaw = kerb.road.beside(station, kerb.side, inner_m + half[1])
        pose = (x, y, kerb.heading(yaw) + float(rng.normal(0.0, 0.05)))
        inside = abs(station - sum(kerb.span_m) / 2) + half[0] < np.ptp(kerb.span_m) / 2
        if inside and site.is_free(rectangle(*pose, *half), 0.05):
            site.put(shape, pose, rng)
            return


def _workers(site: Site, kerb: Kerb, rng: np.random.Generator) -> None:
    station = float(rng.uniform(*kerb.span_m))
    x, y, _ = kerb.road.beside(station, kerb.side, min(1.0, kerb.road.sidewalk_m / 2))
    facing = float(rng.uniform(-math.pi, math.pi))
    stand_group(site, (x, y), facing, rng, "standing_worker", most=3)
