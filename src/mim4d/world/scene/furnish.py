"""What stands along the streets: road works, parked vehicles, trees, lamps, plots, people.

Every side of every road is walked from end to end; what stands there follows the scene's `Style`
and the generator given.
"""

import math

import numpy as np

from mim4d.world.objects.catalogue import Kind, house
from mim4d.world.objects.colours import facade_look
from mim4d.world.objects.site import Site, rectangle
from mim4d.world.scene.parking import Kerb, bus_stop, park_along, rack
from mim4d.world.scene.plots import Style, fill_plots
from mim4d.world.scene.roadworks import dig
from mim4d.world.streets.roads import StreetPlan
from mim4d.world.traffic.walkers import stand_about

# Share of scenes with none, one, two, three pieces of road works (tries to find room for one).
WORKS_ODDS, WORKS_TRIES = (0.35, 0.35, 0.2, 0.1), 8
POST_M = 0.45  # of traffic lights from the kerb


def furnish(
    site: Site, plan: StreetPlan, style: Style, travel_m: float, rng: np.random.Generator
) -> None:
    """Put everything that does not move onto the site.

    Args:
        site: An empty site.
        plan: The streets.
        style: Character of the scene.
        travel_m: How far the ego car goes along its route: road works lie near it.
        rng: Source of every choice.
    """
    for _ in range(int(rng.choice(4, p=WORKS_ODDS))):
        for _ in range(WORKS_TRIES):
            if dig(site, plan, travel_m, rng):
                break
    kerbs = [
        Kerb(road, side, span)
        for road, span in zip(plan.roads, plan.inside_m, strict=True)
        for side in (1.0, -1.0)
    ]
    for kerb in kerbs:
        if rng.random() < 0.5:
            bus_stop(site, kerb, bool(rng.random() < style.bustle), rng)
        park_along(site, kerb, style.parked[0 if kerb.side < 0 else 1], rng)
    _mark_stop_lines(site, plan, rng)
    for kerb in kerbs:
        for _ in range(int(rng.poisson(0.012 * (kerb.span_m[1] - kerb.span_m[0])))):
            rack(site, kerb, rng)
        _kerbside(site, kerb, style, rng)
        fill_plots(site, kerb, style, rng)
    stand_about(site, plan, style.bustle, rng)
    _skyline(site, plan, style, rng)


def _mark_stop_lines(site: Site, plan: StreetPlan, rng: np.random.Generator) -> None:
    """A traffic light or a sign on the sidewalk beside every kerbside stop line."""
    lit = rng.random() < 0.7
    for path in plan.paths:
        for stop in path.stops_m if path.kerbside else ():
            x, y, yaw = map(float, path.curve.poses(np.array([stop]))[0])
            right = np.array([math.sin(yaw), -math.cos(yaw)])
            out = np.arange(0.5, 7.0, 0.1)
            beyond = site.ground.beyond_kerb(np.array([x, y]) + out[:, None] * right)[:, 0]
            if beyond.max() > POST_M:
                place = np.array([x, y]) + out[np.argmax(beyond > POST_M)] * right
                pose = (float(place[0]), float(place[1]), yaw + math.pi)
                if site.is_free(rectangle(*pose, 0.25, 0.25), 0.05):
                    kind: Kind = "traffic_light" if lit else "sign_post"
                    site.put(site.stock.draw(kind, rng), pose, rng, (0.25, 0.25))


def _kerbside(site: Site, kerb: Kerb, style: Style, rng: np.random.Generator) -> None:
    """Trees, lamps, signs and furniture on the sidewalk."""
    station, lamp = kerb.span_m[0] + float(rng.uniform(0.0, 8.0)), float(rng.uniform(0.0, 30.0))
    bits: tuple[Kind, ...] = ("sign_post", "sign_post", "cabinet", "bench", "bollard", "billboard")
    while station < kerb.span_m[1]:
        x, y, yaw = kerb.road.beside(station, kerb.side, 0.55)
        facing = yaw - kerb.side * math.pi / 2
        lamp -= 8.0
        corners = rectangle(x, y, yaw, 0.4, 0.4)
        if site.beyond_kerb(corners) > 0.05 and site.is_free(corners, 0.1):
            if lamp < 0.0:
                lamp += float(rng.uniform(24.0, 34.0))
                site.put(site.stock.draw("lamp_post", rng), (x, y, facing), rng, (0.2, 0.2))
            elif rng.random() < style.green:
                site.put(site.stock.draw("street_tree", rng), (x, y, yaw), rng, (0.4, 0.4))
            elif rng.random() < 0.16:
                _bit(site, kerb, station, bits[int(rng.integers(len(bits)))], rng)
        station += float(rng.uniform(6.0, 10.0))


def _bit(site: Site, kerb: Kerb, station_m: float, kind: Kind, rng: np.random.Generator) -> None:
    """Small furniture; signs face the traffic beside them, billboards both ways along the road."""
    deep = kind in ("bench", "billboard")
    beyond = kerb.road.sidewalk_m - 0.5 if deep else 0.55
    x, y, yaw = kerb.road.beside(station_m, kerb.side, beyond)
    heading = yaw - kerb.side * math.pi / 2
    if kind == "sign_post":
        heading = kerb.heading(yaw) + math.pi
    pose = (x, y, heading)
    shape = site.stock.draw(kind, rng)
    corners = rectangle(*pose, *((0.4, 0.4) if not deep else (0.4, 2.0)))
    if site.beyond_kerb(corners) > 0.05 and site.is_free(corners, 0.1):
        site.put(shape, pose, rng, (0.4, 0.4) if not deep else (0.4, 2.0))


def _skyline(site: Site, plan: StreetPlan, style: Style, rng: np.random.Generator) -> None:
    """Larger buildings and trees some way behind, seen through the gaps."""
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for _ in range(int((span[1] - span[0]) / 9.0)):
            station, side = float(rng.uniform(*span)), float(rng.choice([-1.0, 1.0]))
            pose = road.beside(station, side, float(rng.uniform(28.0, 75.0)))
            if rng.random() < 0.45:
                corners = rectangle(*pose, 2.0, 2.0)
                if site.beyond_sidewalk(corners) > 1.0 and site.is_free(corners, 1.0):
                    site.put(site.stock.draw("tree", rng), pose, rng, (2.0, 2.0))
                continue
            look = facade_look(rng)
            pitch, storey = float(look[6]), float(look[7])
            half = tuple(float(rng.integers(3, 7)) * pitch / 2 for _ in range(2))
            takes = (half[0] + 0.5, half[1] + 0.5)
            corners = rectangle(*pose, *takes)
            if site.beyond_sidewalk(corners) > 2.0 and site.is_free(corners, 0.5):
                storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 3))
                shape = house(rng, look, (half[0], half[1]), storeys * storey, storeys < 4)
                site.put(shape, pose, rng, takes)
