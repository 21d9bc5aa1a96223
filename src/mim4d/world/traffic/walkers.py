"""People on foot: along sidewalks, across streets, and standing about.

Whoever walks is at any moment on a sidewalk or on a crossing, and touches nobody. World
coordinates, metres, seconds, radians.
"""

import math

import numpy as np
from jaxtyping import Bool, Float

from mim4d.world.objects.catalogue import Kind
from mim4d.world.objects.site import Site, as_thing, rectangle
from mim4d.world.streets.curves import Curve, build_curve
from mim4d.world.streets.ground import GroundTable
from mim4d.world.streets.roads import Road, StreetPlan
from mim4d.world.traffic.motion import Motion, Mover, steady
from mim4d.world.traffic.traffic import NOWHERE, Traffic

HALF_CROSSING_M = 1.3  # half the width of a crossing that walkers use
CROSSING_END_M = 0.5  # crossings reach this far beyond their centre line, past rounded kerbs
CORNER_M = 0.7  # radius of a walker's turn between sidewalk and crossing
ABREAST_M = 0.7  # between two people who walk together
WAYS_TRIED = 3  # before somebody stays at home
KERB_ROOM_M = 0.25  # least distance of a walker's middle from the kerb


def on_foot(
    ground: GroundTable, crossings: tuple[Curve, ...], points: Float[np.ndarray, "p 2"]
) -> Bool[np.ndarray, " p"]:
    """Whether points lie on a sidewalk or on a crossing (each a straight line of one piece)."""
    beyond = ground.beyond_kerb(points)
    allowed = (beyond[:, 0] > 0.0) & (beyond[:, 0] < beyond[:, 1])
    for crossing in crossings:
        x, y, yaw, _, length = map(float, crossing.pieces[0, :5])
        east, north = points[:, 0] - x, points[:, 1] - y
        along = east * math.cos(yaw) + north * math.sin(yaw)
        aside = np.abs(north * math.cos(yaw) - east * math.sin(yaw))
        inside = (along > -CROSSING_END_M) & (along < length + CROSSING_END_M)
        allowed |= inside & (aside < HALF_CROSSING_M)
    return allowed


def cross_streets(
    traffic: Traffic, plan: StreetPlan, bustle: float, rng: np.random.Generator
) -> None:
    """People who come along a sidewalk, cross, and walk on along the other one."""
    for crossing in plan.crossings:
        for _ in range(int(rng.poisson(2.2 * bustle))):
            speed = float(rng.uniform(0.9, 1.7))
            for _ in range(WAYS_TRIED):
                curve, start, end = _way_across(crossing, rng)
                # Somewhere during the scene they are between both kerbs.
                during = float(rng.uniform(0.0, traffic.times_s[-1]))
                at = float(rng.uniform(start, end)) - speed * during
                motion = steady(curve, at, speed, traffic.times_s)
                if _offer_walker(traffic, plan, motion, 0.15, rng):
                    break


def _way_across(crossing: Curve, rng: np.random.Generator) -> tuple[Curve, float, float]:
    """A way along a sidewalk, over a crossing and on; where it enters and leaves the street."""
    x, y, yaw, _, length = map(float, crossing.pieces[0, :5])
    if rng.random() < 0.5:  # the other way round
        x, y, yaw = x + length * math.cos(yaw), y + length * math.sin(yaw), yaw + math.pi
    # To the right of the crossing's middle, so that people who meet pass each other.
    back, aside = float(rng.uniform(0.35, 1.0)), float(rng.uniform(-1.1, -0.1))
    arc = CORNER_M * math.pi / 2
    turns = [float(rng.choice([-1.0, 1.0])) for _ in range(2)]
    straight = length + 2 * back
    pieces = [
        (80.0, 0.0),
        (arc, turns[0] / CORNER_M),
        (straight, 0.0),
        (arc, turns[1] / CORNER_M),
        (80.0, 0.0),
    ]
    curve = build_curve((0.0, 0.0, 0.0), pieces)
    # Lay it so that its third piece runs along the crossing, `back` metres beyond either kerb.
    first = float(curve.pieces[2, 5])
    x0, y0, yaw0 = map(float, curve.poses(np.array([first]))[0])
    target = (
        x - back * math.cos(yaw) - aside * math.sin(yaw),
        y - back * math.sin(yaw) + aside * math.cos(yaw),
    )
    turn = yaw - yaw0
    begin = (
        target[0] - x0 * math.cos(turn) + y0 * math.sin(turn),
        target[1] - x0 * math.sin(turn) - y0 * math.cos(turn),
        turn,
    )
    return build_curve(begin, pieces), first + back, first + back + length


def walk_sidewalks(
    traffic: Traffic, plan: StreetPlan, bustle: float, rng: np.random.Generator
) -> None:
    """People along both sidewalks of every road, in either direction, some of them together."""
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for side in (1.0, -1.0):
            for _ in range(int(rng.poisson(bustle * (span[1] - span[0]) / 28.0))):
                place = float(rng.uniform(*span)), side
                speed = float(rng.uniform(0.8, 1.7)) * float(rng.choice([-1.0, 1.0]))
                for _ in range(WAYS_TRIED):
                    if _walk_along(traffic, plan, road, place, speed, rng):
                        break


def _walk_along(
    traffic: Traffic,
    plan: StreetPlan,
    road: Road,
    place: tuple[float, float],
    speed: float,
    rng: np.random.Generator,
) -> bool:
    """Somebody at a station and side of a road, now and then with company; whether they fit."""
    station, side = place
    edge = road.left_edge_m if side > 0 else road.right_edge_m
    beyond = float(rng.uniform(0.3, 0.9)) * road.sidewalk_m
    fits = False
    for k in range(1 + int(rng.random() < 0.3 and road.sidewalk_m > 2.2)):
        room = beyond - ABREAST_M * k if beyond > 0.6 * road.sidewalk_m else beyond + ABREAST_M * k
        path = road.curve.offset(side * (edge + room))
        at = path.station_of(*road.beside(station, side, room)[:2])
        motion = steady(path, at, speed, traffic.times_s)
        fits |= _offer_walker(traffic, plan, motion, 0.1, rng)
    return fits


def _offer_walker(
    traffic: Traffic, plan: StreetPlan, motion: Motion, gap_m: float, rng: np.random.Generator
) -> bool:
    poses = motion.poses(traffic.times_s)
    if not on_foot(traffic.site.ground, plan.crossings, poses[:, :2]).all():
        return False
    kinds: tuple[Kind, ...] = ("walker", "walking_child", "walking_worker")
    kind = kinds[int(rng.choice(3, p=[0.84, 0.11, 0.05]))]
    mover = Mover(as_thing(traffic.site.stock.draw(kind, rng), NOWHERE, rng), motion)
    return traffic.offer([mover], gap_m, on_road=False)


def stand_about(site: Site, plan: StreetPlan, bustle: float, rng: np.random.Generator) -> None:
    """People who stand: alone along the sidewalks, and waiting at the kerb of crossings."""
    for crossing in plan.crossings:
        for end in (-1.0, 1.0):
            if rng.random() < 0.5 * bustle:
                x, y, yaw, _, length = map(float, crossing.pieces[0, :5])
                out = -0.9 if end < 0 else length + 0.9
                spot = (x + out * math.cos(yaw), y + out * math.sin(yaw))
                stand_group(site, spot, yaw + (math.pi if end > 0 else 0.0), rng)
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for _ in range(int(rng.poisson(bustle * (span[1] - span[0]) / 45.0))):
            side = float(rng.choice([-1.0, 1.0]))
            beyond = float(rng.uniform(0.4, 0.85)) * road.sidewalk_m
            x, y, _ = road.beside(float(rng.uniform(*span)), side, beyond)
            stand_group(site, (x, y), float(rng.uniform(-math.pi, math.pi)), rng)


def stand_group(
    site: Site,
    spot: tuple[float, float],
    yaw: float,
    rng: np.random.Generator,
    kind: Kind | None = None,
    most: int = 4,
) -> None:
    """One to `most` people close together on a sidewalk, facing roughly one way."""
    for _ in range(int(rng.integers(1, most + 1))):
        x, y = (float(c + rng.normal(0.0, 0.6)) for c in spot)
        heading = yaw + float(rng.normal(0.0, 0.5))
        chosen: Kind = kind or ("standing_child" if rng.random() < 0.12 else "stander")
        corners = rectangle(x, y, heading, 0.3, 0.35)
        beyond, wide = site.ground.beyond_kerb(np.array([[x, y]]))[0]
        if KERB_ROOM_M < beyond < wide - KERB_ROOM_M and site.is_free(corners, 0.05):
            site.put(site.stock.draw(chosen, rng), (x, y, heading), rng)
