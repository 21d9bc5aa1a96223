"""What moves: the ego car's motion along its route, other cars, trucks and walkers.

A motion is a table of stations over time along a curve. A mover is taken only if, over the whole
scene, it keeps clear of the ego car, of all other movers and of everything that stands.
World coordinates, metres, seconds, radians.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mim4d.world import models
from mim4d.world.colours import person_look, vehicle_look
from mim4d.world.curves import Curve
from mim4d.world.roads import Road, StreetPlan
from mim4d.world.site import Site, Thing, overlap, rectangle

EGO_HALF_M = (2.45, 0.98)  # half length and half width kept free around the ego car
EGO_CENTRE_M = 1.4  # its middle lies ahead of its origin, the rear axle
LOWEST_SPEED, HIGHEST_SPEED = 3.0, 12.0


@dataclass(frozen=True)
class Motion:
    """Stations along a curve over time; `forward` −1 drives against the curve.

    Attributes:
        curve: The path.
        times_s: Knots, increasing.
        stations_m: Station at each knot.
        forward: 1 along the curve, −1 against it.
    """

    curve: Curve
    times_s: Float[np.ndarray, " q"]
    stations_m: Float[np.ndarray, " q"]
    forward: float = 1.0

    def poses(self, times_s: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p 3"]:
        """x, y and yaw at each time."""
        poses = self.curve.poses(np.interp(times_s, self.times_s, self.stations_m))
        if self.forward < 0:
            poses[:, 2] += math.pi
        return poses


@dataclass(frozen=True)
class Mover:
    """A moving object: its shape and look, and its motion."""

    thing: Thing
    motion: Motion


def sample_cruise(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Mean speed, swing, and wave of the speed wished for along the route."""
    mean = float(rng.uniform(LOWEST_SPEED + 0.5, HIGHEST_SPEED - 0.5))
    swing = float(rng.uniform(0.0, 2.5))
    return mean, swing, float(rng.uniform(25.0, 70.0)), float(rng.uniform(0.0, 2 * math.pi))


def drive(
    route: Curve,
    cruise: tuple[float, float, float, float],
    start_s: float,
    end_s: float,
) -> Motion:
    """The ego car's motion: the wished speed, slower in bends, with bounded acceleration.

    Station 0 is reached at time 0; the motion covers `start_s` (≤ 0) to `end_s`.
    """
    step = 0.1
    mean, swing, length, phase = cruise
    stations = np.arange(
        HIGHEST_SPEED * (start_s - 1.0), HIGHEST_SPEED * (end_s + 1.0) + step, step
    )
    wished = mean + swing * np.sin(2 * math.pi * stations / length + phase)
    bend = np.abs(route.curvatures(stations))
    wished = np.minimum(wished, np.sqrt(2.2 / np.maximum(bend, 1e-4)))
    squared = np.clip(wished, LOWEST_SPEED, HIGHEST_SPEED) ** 2
    for order in (range(1, len(stations)), range(len(stations) - 2, -1, -1)):
        for i in order:  # accelerate by at most 1.5 m/s², brake by at most 2.2 m/s²
            before, gain = (i - 1, 2 * 1.5 * step) if order.step > 0 else (i + 1, 2 * 2.2 * step)
            squared[i] = min(squared[i], squared[before] + gain)
    speed = np.sqrt(squared)
    times = np.concatenate([[0.0], np.cumsum(step * 2 / (speed[1:] + speed[:-1]))])
    times -= np.interp(0.0, stations, times)
    return Motion(route, times, stations)


@dataclass
class Traffic:
    """Movers accepted so far, with their footprints at common times."""

    site: Site
    ego: Motion
    times_s: Float[np.ndarray, " q"]

    def __post_init__(self) -> None:
        """Begin with the ego car alone, its way clear of what stands."""
        poses = self.ego.poses(self.times_s)
        ahead = EGO_CENTRE_M * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=-1)
        poses[:, :2] += ahead
        self.movers: list[Mover] = []
        self._swept = [_swept(poses, *EGO_HALF_M)]
        self.site.clear(self._swept[0])

    def offer(self, mover: Mover, gap_m: float) -> bool:
        """Take the mover unless it comes closer than `gap_m` to anything at any time."""
        low, high = mover.thing.mesh.extent
        half_x, half_y = float(max(-low[0], high[0])), float(max(-low[1], high[1]))
        corners = _swept(mover.motion.poses(self.times_s), half_x, half_y)
        others = np.stack(self._swept)
        if (overlap(np.broadcast_to(corners, others.shape), others) > -gap_m).any():
            return False
        if not all(self.site.is_free(at, min(gap_m, 0.25)) for at in corners[::2]):
            return False
        self.movers.append(mover)
        self._swept.append(corners)
        return True


def _swept(
    poses: Float[np.ndarray, "q 3"], half_x: float, half_y: float
) -> Float[np.ndarray, "q 4 2"]:
    return np.stack([rectangle(pose[0], pose[1], pose[2], half_x, half_y) for pose in poses])


def populate(traffic: Traffic, plan: StreetPlan, rng: np.random.Generator, reach_m: float) -> None:
    """Offer cars that share the ego car's way, cars in all lanes, and walkers."""
    density = float(rng.uniform(0.0, 1.0))
    for gap in (float(rng.uniform(9.0, 32.0)), -float(rng.uniform(8.0, 25.0))):
        if rng.random() < 0.25 + 0.5 * density:
            stations = traffic.ego.stations_m + gap
            motion = Motion(traffic.ego.curve, traffic.ego.times_s, stations)
            traffic.offer(_vehicle(motion, rng), 1.0)
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for lane in range(-road.lanes_left, road.lanes_right):
            _fill_lane(traffic, road, lane, span, density, rng)
        for side in (1.0, -1.0):
            _fill_sidewalk(traffic, road, side, reach_m, rng)


def _steady(
    curve: Curve, station_m: float, speed: float, times_s: Float[np.ndarray, " q"]
) -> Motion:
    ends = np.array([times_s[0], times_s[-1]])
    return Motion(curve, ends, station_m + speed * ends, 1.0 if speed >= 0 else -1.0)


def _vehicle(motion: Motion, rng: np.random.Generator) -> Mover:
    large = rng.random() < 0.12
    mesh = models.truck(rng) if large else models.car(rng)
    category = "vehicle.truck" if large else "vehicle.car"
    seed = int(rng.integers(1 << 20))
    return Mover(Thing(mesh, 0.0, 0.0, 0.0, vehicle_look(rng), seed, category), motion)


def _fill_lane(
    traffic: Traffic,
    road: Road,
    lane: int,
    span: tuple[float, float],
    density: float,
    rng: np.random.Generator,
) -> None:
    """Cars at one speed in one lane, so that none catches up with another."""
    lateral = road.lane_lateral_m(lane)
    path = road.curve.offset(lateral + float(rng.uniform(-0.25, 0.25)))
    speed = float(rng.uniform(4.0, 12.0)) * (1.0 if lane >= 0 else -1.0)
    origin, _ = path.project(road.curve.poses(np.zeros(1))[:, :2])
    station = span[0] + float(rng.uniform(0.0, 20.0))
    while station < span[1]:
        if rng.random() < 0.15 + 0.75 * density:
            start = float(origin[0]) + station
            traffic.offer(_vehicle(_steady(path, start, speed, traffic.times_s), rng), 0.5)
        station += float(rng.uniform(11.0, 45.0))


def _fill_sidewalk(
    traffic: Traffic, road: Road, side: float, reach_m: float, rng: np.random.Generator
) -> None:
    edge = road.left_edge_m if side > 0 else road.right_edge_m
    path = road.curve.offset(side * (edge + float(rng.uniform(0.8, 1.0)) * road.sidewalk_m * 0.75))
    for _ in range(int(rng.integers(0, 6))):
        speed = float(rng.choice([-1.0, 0.0, 1.0], p=[0.4, 0.2, 0.4])) * float(
            rng.uniform(0.8, 1.7)
        )
        motion = _steady(path, float(rng.uniform(-30.0, reach_m)), speed, traffic.times_s)
        thing = Thing(
            models.pedestrian(rng),
            0.0,
            0.0,
            0.0,
            person_look(rng),
            int(rng.integers(1 << 20)),
            "human.pedestrian.adult",
        )
        traffic.offer(Mover(thing, motion), 0.1)
