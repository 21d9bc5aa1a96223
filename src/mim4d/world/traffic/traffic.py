"""What moves in a scene: the ego car, what shares the streets with it, and who may join them.

The ego car and the vehicle before it are decided first, then people on crossings, then vehicles
lane by lane from the front to the back, each driving among those decided before it; people on
sidewalks come last. Whoever would touch anything at any time is not admitted. World coordinates,
metres, seconds, radians.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mim4d.world.objects.catalogue import Specimen
from mim4d.world.objects.site import Site, as_thing, half_size, meets, meets_in_time, rectangles
from mim4d.world.streets.curves import Curve
from mim4d.world.streets.roads import StreetPlan
from mim4d.world.traffic.driving import (
    STEP_S,
    Bodies,
    Driver,
    Surroundings,
    blocked_by,
    follow,
    set_off,
    speed_limits,
    starting_speed,
)
from mim4d.world.traffic.motion import Motion, Mover
from mim4d.world.traffic.signals import Signals, sample_signals

EGO_HALF_M = (2.45, 0.98)  # half length and half width kept free around the ego car
EGO_CENTRE_M = 1.4  # its middle lies ahead of its origin, the rear axle
EGO_GAP_M = 0.5  # nobody comes closer to the ego car
LOWEST_SPEED, HIGHEST_SPEED = 3.0, 12.0  # the ego car's wishes on a free road
NOWHERE = (0.0, 0.0, 0.0)  # pose of a mover's shape: its motion says where it is
Cruise = tuple[float, float, float, float]


class Traffic:
    """Movers accepted so far, with their footprints at common times.

    Attributes:
        site: What stands, and the ground.
        times_s: Knots of all motions, `STEP_S` apart.
        signals: When stop lines are closed.
        ego: The ego car's motion.
        movers: Everything else that moves.
    """

    def __init__(
        self, site: Site, times_s: Float[np.ndarray, " q"], signals: Signals, ego: Motion
    ) -> None:
        """Begin with the ego car alone, its way clear of what stands."""
        self.site, self.times_s, self.signals, self.ego = site, times_s, signals, ego
        self.movers: list[Mover] = []
        steps = len(times_s)
        self._poses = np.zeros((64, steps, 3))  # doubled when full
        self._corners = np.zeros((64, steps, 4, 2))
        self._speeds = np.zeros((64, steps))
        self._half = np.zeros((64, 2))
        self._count = 0
        poses = ego.poses(times_s)
        ahead = EGO_CENTRE_M * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=-1)
        poses[:, :2] += ahead
        self._add(poses, EGO_HALF_M, np.abs(ego.speeds(times_s)))
        site.clear(self._corners[0])

    @property
    def bodies(self) -> Bodies:
        """Everything that moves so far, the ego car first."""
        k = self._count
        return Bodies(self._poses[:k], self._half[:k], self._speeds[:k])

    def offer(self, movers: Sequence[Mover], gap_m: float, *, on_road: bool) -> bool:
        """Take movers that belong together, unless one comes closer than `gap_m` to anything.

        Args:
            movers: Who asks to join, all or none; they keep clear of each other by any distance.
            gap_m: To everybody else at any time (to what stands: a quarter of a metre at most, to
                the ego car: `EGO_GAP_M` at least).
            on_road: Whether they have to stay between the kerbs.
        """
        swept: list[Float[np.ndarray, "q 4 2"]] = []
        for mover in movers:
            half = half_size(mover.thing.mesh)
            corners = rectangles(mover.motion.poses(self.times_s), half)
            if on_road and self.site.highest_beyond_kerb(corners[::2]) > -0.02:
                return False
            if meets(corners[::2], self.site.corners, min(gap_m, 0.25)):
                return False
            if meets_in_time(corners, self._corners[: self._count], gap_m):
                return False
            if meets_in_time(corners, self._corners[:1], max(gap_m, EGO_GAP_M)):
                return False
            if swept and meets_in_time(corners, np.stack(swept), 0.0):
                return False
            swept.append(corners)
        for mover in movers:
            self.movers.append(mover)
            speeds = np.abs(mover.motion.speeds(self.times_s))
            self._add(mover.motion.poses(self.times_s), half_size(mover.thing.mesh), speeds)
        return True

    def _add(
        self,
        poses: Float[np.ndarray, "q 3"],
        half: tuple[float, float],
        speeds: Float[np.ndarray, " q"],
    ) -> None:
        k = self._count
        if k == len(self._half):
            self._poses, self._corners, self._speeds, self._half = (
                np.concatenate([array, np.zeros_like(array)])
                for array in (self._poses, self._corners, self._speeds, self._half)
            )
        self._poses[k], self._speeds[k], self._half[k] = poses, speeds, half
        self._corners[k] = rectangles(poses, half)
        self._count += 1


def sample_cruise(rng: np.random.Generator) -> Cruise:
    """Mean speed, swing, and wave of the speed wished for along the route."""
    mean = float(rng.uniform(LOWEST_SPEED + 0.5, HIGHEST_SPEED - 0.5))
    swing = float(rng.uniform(0.0, 2.5))
    return mean, swing, float(rng.uniform(25.0, 70.0)), float(rng.uniform(0.0, 2 * math.pi))


def begin_traffic(
    site: Site,
    plan: StreetPlan,
    cruise: Cruise,
    span_s: tuple[float, float],
    rng: np.random.Generator,
) -> Traffic:
    """The ego car's drive, and the vehicle ahead of it if there is one.

    Args:
        site: What stands; the ego car's way is cleared.
        plan: The streets.
        cruise: What `sample_cruise` drew.
        span_s: First and last time; the ego car is at station 0 of the route at time 0.
        rng: Source of every choice.
    """
    times = span_s[0] + STEP_S * np.arange(math.ceil((span_s[1] - span_s[0]) / STEP_S) + 1)
    signals = sample_signals(plan.paths, plan.route, float(times[-1] - times[0]), rng)
    leader = None
    if rng.random() < 0.55:
        leader = _leader(site.stock.draw("car", rng), plan.route, signals, cruise, times, rng)
    ego = drive(plan.route, cruise, times, signals, leader)
    traffic = Traffic(site, times, signals, ego)
    if leader is not None and not traffic.offer([leader], 0.5, on_road=True):
        return Traffic(site, times, signals, drive(plan.route, cruise, times, signals, None))
    return traffic


def drive(
    route: Curve,
    cruise: Cruise,
    times_s: Float[np.ndarray, " q"],
    signals: Signals,
    leader: Mover | None,
) -> Motion:
    """The ego car's motion: the wished speed, slower in bends, behind a leader, at stop lines."""
    mean, swing, length, phase = cruise
    driver = Driver(mean, 1.5, 2.0, 1.2)
    reach = HIGHEST_SPEED * float(times_s[-1] - times_s[0]) + 30.0
    limits = speed_limits(route, driver, (-20.0, reach), (swing, length, phase))
    driver = replace(driver, speed_mps=mean + swing)
    front = EGO_CENTRE_M + EGO_HALF_M[0]
    blocked = np.zeros((0, len(times_s), 3))
    if leader is not None:
        blocked = blocked_by(route, _body(leader, times_s), EGO_HALF_M[1], 0.3)
    around = Surroundings(blocked, signals.along(route))
    speed = starting_speed(driver, limits, around, 0.0, front)
    stations, speeds = follow(
        driver, limits, around, (speed * float(times_s[0]), speed), front, len(times_s)
    )
    return Motion(route, times_s, stations, speeds)


def _leader(
    shape: Specimen,
    route: Curve,
    signals: Signals,
    cruise: Cruise,
    times_s: Float[np.ndarray, " q"],
    rng: np.random.Generator,
) -> Mover:
    """A car on the ego car's route, some way ahead, whose speed changes more than most."""
    half = half_size(shape.mesh)[0]
    driver = Driver(float(rng.uniform(0.7, 1.2)) * (cruise[0] + cruise[1]), 1.7, 2.0, 1.2)
    wave = (float(rng.uniform(0.0, 3.0)), float(rng.uniform(30.0, 60.0)), float(rng.uniform(0, 6)))
    start = EGO_CENTRE_M + EGO_HALF_M[0] + float(rng.uniform(6.0, 26.0)) + half
    around = Surroundings(np.zeros((0, len(times_s), 3)), signals.along(route))
    stations, speeds = set_off(route, driver, around, start, half, wave)
    motion = Motion(route, times_s, stations, speeds, base_m=1.2 * half)
    return Mover(as_thing(shape, NOWHERE, rng), motion)


def _body(mover: Mover, times_s: Float[np.ndarray, " q"]) -> Bodies:
    poses, speeds = mover.motion.poses(times_s), np.abs(mover.motion.speeds(times_s))
    return Bodies(poses[None], np.array([half_size(mover.thing.mesh)]), speeds[None])
