"""Which vehicles drive in a scene, how each kind drives, and how a lane is filled with them.

Lanes that begin together share their vehicles: each one takes one of the ways on. Vehicles are
decided from the front to the back, so that each sees those ahead. Metres, seconds, radians.
"""

import math
from dataclasses import dataclass

import numpy as np

from mim4d.world.objects.catalogue import Kind, Specimen
from mim4d.world.objects.site import as_thing, half_size
from mim4d.world.streets.curves import CURVATURE, START, Curve
from mim4d.world.streets.roads import LanePath, StreetPlan
from mim4d.world.traffic.driving import (
    LINE_GAP_M,
    STANDSTILL_GAP_M,
    Driver,
    Surroundings,
    blocked_by,
    set_off,
)
from mim4d.world.traffic.motion import Motion, Mover
from mim4d.world.traffic.traffic import NOWHERE, Traffic
from mim4d.world.traffic.walkers import cross_streets, walk_sidewalks

SIDE_MARGIN_M = 0.25  # closer beside the path than this counts as in the way
HITCH_GAP_M = 0.3
SHARPEST_ROAD = 1 / 25.0  # curvature, 1/m: whatever is sharper is a turn at a junction
LEAD_IN_M = 60.0  # how far before the furnished part vehicles may start in a long scene


@dataclass(frozen=True)
class Habit:
    """How a kind of vehicle drives.

    Attributes:
        kind: Of the vehicle.
        odds: Share of scenes in which it drives at all.
        share: Least and largest share among the vehicles of such a scene.
        speed_mps: Least and largest wished speed.
        start_mps2: Acceleration from standstill.
        aside: Whether it keeps to the right edge of a kerbside lane.
    """

    kind: Kind
    odds: float
    share: tuple[float, float]
    speed_mps: tuple[float, float]
    start_mps2: float
    aside: bool = False


HABITS = (
    Habit("car", 1.0, (0.6, 1.0), (6.0, 13.0), 1.6),
    Habit("truck", 0.6, (0.04, 0.2), (5.5, 10.5), 1.1),
    Habit("bus", 0.5, (0.04, 0.16), (5.0, 10.0), 1.0),
    Habit("bendy_bus", 0.12, (0.03, 0.08), (5.0, 9.0), 0.9),
    Habit("tractor", 0.35, (0.03, 0.14), (5.0, 9.5), 0.9),
    Habit("construction_vehicle", 0.25, (0.03, 0.1), (3.5, 6.0), 0.9),
    Habit("ridden_motorcycle", 0.55, (0.04, 0.16), (6.0, 13.0), 2.0),
    Habit("ridden_bicycle", 0.6, (0.05, 0.3), (2.8, 5.5), 1.0, aside=True),
)


@dataclass(frozen=True)
class Fleet:
    """What drives in one scene.

    Attributes:
        shares: Of each of `HABITS`; they sum to 1.
        density: 0 (empty streets) to 1 (busy).
        hurry: Factor on wished speeds.
    """

    shares: tuple[float, ...]
    density: float
    hurry: float

    def draw(self, rng: np.random.Generator, kerbside: bool) -> Habit:
        """The next vehicle of a lane."""
        habit = HABITS[int(rng.choice(len(HABITS), p=self.shares))]
        return HABITS[0] if habit.aside and not kerbside else habit


def sample_fleet(rng: np.random.Generator) -> Fleet:
    """Draw what drives in a scene, and how much of it."""
    shares = [float(rng.uniform(*h.share)) * (rng.random() < h.odds) for h in HABITS]
    density = float(rng.uniform(0.0, 1.0))
    return Fleet(
        tuple(share / sum(shares) for share in shares), density, float(rng.uniform(0.8, 1.1))
    )


def fill_lanes(traffic: Traffic, plan: StreetPlan, fleet: Fleet, rng: np.random.Generator) -> None:
    """Vehicles about to turn, then all ways, group after group that begin in the same lane."""
    groups: list[list[LanePath]] = []
    starts: list[tuple[float, float]] = []
    for path in (path for path in plan.paths if _leads_on(plan, path)):
        x, y, _ = map(float, path.curve.poses(np.array([path.span_m[0]]))[0])
        same = [i for i, start in enumerate(starts) if math.dist(start, (x, y)) < 0.5]
        if same:
            groups[same[0]].append(path)
        else:
            groups.append([path])
            starts.append((x, y))
    for path in plan.paths:
        if path.turn != "straight" and rng.random() < 0.25 + 0.4 * fleet.density:
            bend = int(np.argmax(np.abs(path.curve.pieces[:, CURVATURE]) > SHARPEST_ROAD))
            before = float(path.curve.pieces[bend, START]) - float(rng.uniform(-2.0, 14.0))
            habit = fleet.draw(rng, path.kerbside)
            _offer_vehicle(traffic, plan, path, before - path.span_m[0], habit, fleet.hurry, rng)
    for index in rng.permutation(len(groups)):
        _fill(traffic, plan, groups[int(index)], fleet, rng)


def _leads_on(plan: StreetPlan, path: LanePath) -> bool:
    """Whether a way goes on at both ends: where a road ends at a junction, everybody turns."""
    reach, inside = plan.roads[path.road].reach_m, plan.inside_m[path.road]
    goes_on = inside[0] - reach[0] > LEAD_IN_M and reach[1] - inside[1] > LEAD_IN_M
    return path.turn != "straight" or goes_on


def _fill(
    traffic: Traffic,
    plan: StreetPlan,
    paths: list[LanePath],
    fleet: Fleet,
    rng: np.random.Generator,
) -> None:
    """From the farthest end of the ways back to where they begin."""
    duration = float(traffic.times_s[-1] - traffic.times_s[0])
    along = max(path.span_m[1] - path.span_m[0] for path in paths) - float(rng.uniform(0.0, 25.0))
    busy = float(np.clip(fleet.density * rng.uniform(0.3, 1.7), 0.06, 1.0))
    queue_m, waiting = _queue(traffic, paths[0], busy, rng)
    while along > -min(4.0 * duration, LEAD_IN_M):
        if along < queue_m:
            along, queue_m = queue_m, -math.inf
        reaching = [path for path in paths if path.span_m[1] - path.span_m[0] > along]
        odds = np.array([1.0 if path.turn == "straight" else 0.5 for path in reaching])
        path = reaching[int(rng.choice(len(reaching), p=odds / odds.sum()))]
        habit = fleet.draw(rng, path.kerbside)
        length = _offer_vehicle(traffic, plan, path, along, habit, fleet.hurry, rng)
        free_m = float(rng.uniform(2.5, 12.0)) + float(rng.exponential(25.0 / busy - 22.0))
        if queue_m == -math.inf and waiting:
            free_m, waiting = STANDSTILL_GAP_M + float(rng.uniform(0.0, 1.2)), waiting - 1
        along -= length + free_m


def _queue(
    traffic: Traffic, path: LanePath, busy: float, rng: np.random.Generator
) -> tuple[float, int]:
    """Where the first of a queue waits at a line that is closed at first; how many do behind it.

    The place is −`inf` if nobody waits, else the way from the path's beginning to the first front.
    """
    lines = traffic.signals.along(path.curve)
    inside = (lines[:, 0] > path.span_m[0]) & (lines[:, 0] < path.span_m[1])
    closed = lines[inside & (lines[:, 1] < 0.0) & (lines[:, 2] > 0.0), 0]
    if not len(closed) or rng.random() > 0.35 + 0.6 * busy:
        return -math.inf, 0
    gap = LINE_GAP_M + float(rng.uniform(0.0, 0.5))
    return float(closed.max()) - path.span_m[0] - gap, int(rng.integers(0, 2 + int(5 * busy)))


def _offer_vehicle(
    traffic: Traffic,
    plan: StreetPlan,
    path: LanePath,
    along_m: float,
    habit: Habit,
    hurry: float,
    rng: np.random.Generator,
) -> float:
    """A vehicle whose front starts `along_m` beyond the path's beginning; returns its length."""
    shapes = [traffic.site.stock.draw(habit.kind, rng)]
    if habit.kind == "tractor":
        shapes.append(traffic.site.stock.draw("trailer", rng))
    lateral = float(rng.uniform(-0.2, 0.2))
    if habit.aside:
        lateral = -(plan.roads[path.road].lane_width_m / 2 - float(rng.uniform(0.6, 0.9)))
    curve = path.curve.offset(lateral)
    origin = curve.station_of(*path.curve.poses(np.array([path.span_m[0]]))[0, :2])
    wished = hurry * float(rng.uniform(*habit.speed_mps))
    driver = Driver(wished, habit.start_mps2, 2.0, float(rng.uniform(1.0, 1.7)))
    train = drive_train(traffic, curve, origin + along_m, driver, shapes, rng)
    traffic.offer(train, 0.35, on_road=True)
    return sum(2 * half_size(shape.mesh)[0] + HITCH_GAP_M for shape in shapes)


def drive_train(
    traffic: Traffic,
    curve: Curve,
    front_m: float,
    driver: Driver,
    shapes: list[Specimen],
    rng: np.random.Generator,
) -> list[Mover]:
    """The motion of a vehicle, and of what it draws, among the others decided so far."""
    sizes = [half_size(shape.mesh) for shape in shapes]
    half, wide = sizes[0][0], max(size[1] for size in sizes)
    around = Surroundings(
        blocked_by(curve, traffic.bodies, wide, SIDE_MARGIN_M), traffic.signals.along(curve)
    )
    stations, speeds = set_off(curve, driver, around, front_m - half, half)
    movers, behind = [], 0.0
    for k, (shape, (length, _)) in enumerate(zip(shapes, sizes, strict=True)):
        behind += 0.0 if k == 0 else sizes[k - 1][0] + HITCH_GAP_M + length
        motion = Motion(curve, traffic.times_s, stations - behind, speeds, base_m=1.2 * length)
        movers.append(Mover(as_thing(shape, NOWHERE, rng), motion))
    return movers


def populate(traffic: Traffic, plan: StreetPlan, rng: np.random.Generator) -> None:
    """Everybody who joins the ego car and its leader: people crossing, vehicles, people walking."""
    fleet = sample_fleet(rng)
    bustle = float(rng.uniform(0.1, 1.5))
    cross_streets(traffic, plan, bustle, rng)
    fill_lanes(traffic, plan, fleet, rng)
    walk_sidewalks(traffic, plan, bustle, rng)
