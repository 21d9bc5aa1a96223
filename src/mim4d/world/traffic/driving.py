"""How one vehicle drives along its path, knowing when others are in its way.

Others' footprints are turned into intervals of stations that they block over time; a car-following
law (free road, approach, stop lines) with bounded acceleration and jerk is then integrated.
Crossing vehicles are seen some seconds ahead and given way to. Metres, seconds; stations of the
vehicle's own path, at its middle.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float

from mim4d.world.kernels.compile import kernel
from mim4d.world.streets.curves import FAR_M, Curve, project_point

STEP_S = 0.1
HARDEST_BRAKE, FIRMEST_START = 4.5, 2.2  # m/s²: no vehicle brakes or starts harder
BRAKE_JERK, START_JERK = 12.0, 5.0  # m/s³
STANDSTILL_GAP_M = 1.8
LINE_GAP_M = 0.6  # between the front of a waiting vehicle and the stop line
LIMIT_STEP_M = 0.5
NO_WAVE = (0.0, 50.0, 0.0)  # swing, length, phase of the wished speed
REST_M = 1.0  # whoever is met this close to its place of waiting stands already
NEVER = 1e9


@dataclass(frozen=True)
class Driver:
    """What tells one driver from another.

    Attributes:
        speed_mps: Wished speed on a free, straight road.
        start_mps2: Acceleration from standstill.
        brake_mps2: Comfortable braking.
        headway_s: Time gap to the vehicle ahead.
        bend_mps2: Highest acceleration across the path.
    """

    speed_mps: float
    start_mps2: float = 1.5
    brake_mps2: float = 2.0
    headway_s: float = 1.3
    bend_mps2: float = 2.2


@dataclass(frozen=True)
class Limits:
    """Highest wished speed along a path, on a grid of stations `LIMIT_STEP_M` apart.

    Attributes:
        first_m: Station of the first value.
        speeds_mps: The values.
    """

    first_m: float
    speeds_mps: Float[np.ndarray, " m"]

    def at(self, station_m: float) -> float:
        """The limit at a station."""
        grid = self.first_m + LIMIT_STEP_M * np.arange(len(self.speeds_mps))
        return float(np.interp(station_m, grid, self.speeds_mps))


@dataclass(frozen=True)
class Surroundings:
    """Everything a driver on one path has to mind.

    Attributes:
        blocked: Per other mover and time: lowest and highest station it blocks (`NEVER`, −`NEVER`
            while it blocks none) and its speed along the path.
        lines: Stop lines: station, closed from, closed until.
    """

    blocked: Float[np.ndarray, "k q 3"]
    lines: Float[np.ndarray, "m 3"]


@dataclass(frozen=True)
class Bodies:
    """Footprints over time of movers whose motion is settled.

    Attributes:
        poses: x, y, yaw of each at each time.
        half_m: Half length and half width of each.
        speeds_mps: Of each at each time.
    """

    poses: Float[np.ndarray, "k q 3"]
    half_m: Float[np.ndarray, "k 2"]
    speeds_mps: Float[np.ndarray, "k q"]


def speed_limits(
    curve: Curve, driver: Driver, span_m: tuple[float, float], wave: tuple[float, float, float]
) -> Limits:
    """Slower in bends, and in time before them.

    Args:
        curve: The path.
        driver: Who drives.
        span_m: Stations that may be reached.
        wave: Swing (m/s), length (m) and phase of a slow change of the wished speed.
    """
    swing, length_m, phase = wave
    stations = np.arange(span_m[0], span_m[1] + LIMIT_STEP_M, LIMIT_STEP_M)
    wished = driver.speed_mps + swing * np.sin(2 * np.pi * stations / length_m + phase)
    bend = np.abs(curve.curvatures(stations))
    wished = np.minimum(wished, np.sqrt(driver.bend_mps2 / np.maximum(bend, 1e-4)))
    return Limits(float(span_m[0]), _brake_before(wished, 0.7 * driver.brake_mps2))


def blocked_by(
    curve: Curve, bodies: Bodies, half_width_m: float, margin_m: float
) -> Float[np.ndarray, "k q 3"]:
    """What a vehicle of this width finds blocked on its path, see `Surroundings`."""
    table = curve.table()
    return _blocked(table, bodies.poses, bodies.half_m, bodies.speeds_mps, half_width_m + margin_m)


def starting_speed(
    driver: Driver,
    limits: Limits,
    surroundings: Surroundings,
    station_m: float,
    half_length_m: float,
) -> float:
    """The speed at which a driver may be met at a station when the scene begins."""
    front = station_m + half_length_m
    speed = min(driver.speed_mps, limits.at(station_m))
    for low, high, lead in surroundings.blocked[:, 0]:
        if high > station_m and low < NEVER:
            room = max(low - front - STANDSTILL_GAP_M - REST_M, 0.0)
            speed = min(speed, np.sqrt(max(lead, 0.0) ** 2 + 1.4 * driver.brake_mps2 * room))
    for line, start, _ in surroundings.lines:
        room = line - front
        if start <= 0.0 and room > 0.0:
            room = max(room - LINE_GAP_M - REST_M, 0.0)
            speed = min(speed, np.sqrt(1.4 * driver.brake_mps2 * room))
    return float(speed)


def follow(
    driver: Driver,
    limits: Limits,
    surroundings: Surroundings,
    start: tuple[float, float],
    half_length_m: float,
    steps: int,
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Drive for `steps` steps.

    Args:
        driver: Who drives.
        limits: Of speed along the path.
        surroundings: Others' intervals at each step, and the stop lines.
        start: Station and speed at the first step.
        half_length_m: From the vehicle's middle to its front.
        steps: Number of knots, `STEP_S` apart.

    Returns:
        Station and speed at each step.
    """
    manner = np.array(
        [driver.speed_mps, driver.start_mps2, driver.brake_mps2, driver.headway_s, half_length_m]
    )
    out = _follow(
        manner,
        limits.first_m,
        limits.speeds_mps,
        surroundings.blocked,
        surroundings.lines,
        np.array(start),
        steps,
    )
    return out[:, 0], out[:, 1]


def set_off(
    curve: Curve,
    driver: Driver,
    surroundings: Surroundings,
    start_m: float,
    half_length_m: float,
    wave: tuple[float, float, float] = NO_WAVE,
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Drive from a station on, for as long as the surroundings are known; see `follow`."""
    steps = surroundings.blocked.shape[1]
    reach = 1.3 * (driver.speed_mps + wave[0]) * steps * STEP_S + 40.0
    limits = speed_limits(curve, driver, (start_m - 30.0, start_m + reach), wave)
    speed = starting_speed(driver, limits, surroundings, start_m, half_length_m)
    return follow(driver, limits, surroundings, (start_m, speed), half_length_m, steps)


@kernel
@no_type_check
def _brake_before(wished, brake):
    """The highest speeds from which every later limit can be reached in time."""
    out = np.maximum(wished, 1.5)
    for i in range(out.shape[0] - 2, -1, -1):
        out[i] = min(out[i], np.sqrt(out[i + 1] ** 2 + 2.0 * brake * LIMIT_STEP_M))
    return out


@kernel
@no_type_check
def _blocked(table, poses, half, speeds, reach):
    """Front, middle and rear of each body beside the path say which stations it takes up."""
    out = np.empty((poses.shape[0], poses.shape[1], 3))
    rows = table.shape[0]
    for j in range(poses.shape[0]):
        hx, hy = half[j, 0], half[j, 1]
        for t in range(poses.shape[1]):
            out[j, t, 0], out[j, t, 1], out[j, t, 2] = NEVER, -NEVER, 0.0
            x, y, yaw = poses[j, t, 0], poses[j, t, 1], poses[j, t, 2]
            near = reach + hx + hy
            _, lateral = project_point(table, 0, rows, x, y, near)
            if abs(lateral) > near:
                continue
            dx, dy = hx * np.cos(yaw), hx * np.sin(yaw)
            front, front_left = project_point(table, 0, rows, x + dx, y + dy, FAR_M)
            rear, rear_left = project_point(table, 0, rows, x - dx, y - dy, FAR_M)
            along = (front - rear) / (2.0 * hx)
            across = (front_left - rear_left) / (2.0 * hx)
            least = min(abs(lateral), abs(front_left), abs(rear_left))
            if front_left * rear_left < 0.0 or front_left * lateral < 0.0:
                least = 0.0
            if least - hy * min(abs(along), 1.0) > reach or abs(front - rear) > 3.0 * hx:
                continue
            wide = hy * min(abs(across), 1.0)
            out[j, t, 0] = min(front, rear) - wide
            out[j, t, 1] = max(front, rear) + wide
            out[j, t, 2] = speeds[j, t] * along
    return out


@kernel
@no_type_check
def _approach(manner, v, gap, lead):
    """Acceleration that keeps the wished gap behind something `gap` ahead moving at `lead`."""
    start, brake, headway = manner[1], manner[2], manner[3]
    wished = v * headway + v * (v - lead) / (2.0 * np.sqrt(start * brake))
    wished = STANDSTILL_GAP_M + max(wished, 0.0)
    return start * (1.0 - (wished / max(gap, 0.05)) ** 2)


@kernel
@no_type_check
def _gives_way(manner, blocked, j, t, s, v):
    """Acceleration that lets a crossing or merging vehicle go first, if the two would meet."""
    half = manner[4]
    for ahead in range(2, 45, 3):
        if t + ahead >= blocked.shape[1]:
            break
        low, high, lead = (
            blocked[j, t + ahead, 0],
            blocked[j, t + ahead, 1],
            blocked[j, t + ahead, 2],
        )
        if low >= NEVER or low < s + half:
            continue
        later = ahead * STEP_S
        front = s + half + v * later + 0.5 * later * later * (1.0 if v < manner[0] else 0.0)
        if front < low - 1.5:
            continue
        if s - half + v * later > high + 1.0:
            continue
        return _approach(manner, v, low - 0.5 - s - half, max(min(lead, v), 0.0))
    return NEVER


@kernel
@no_type_check
def _wished(manner, first, limits, blocked, lines, t, s, v):
    """Acceleration a driver wishes for now."""
    half = manner[4]
    wished = manner[1] * (1.0 - (v / manner[0]) ** 4)
    place = min(max((s + 0.3 * v - first) / LIMIT_STEP_M, 0.0), limits.shape[0] - 1.001)
    i = int(place)
    limit = limits[i] + (limits[i + 1] - limits[i]) * (place - i)
    wished = min(wished, (limit - v) / 0.5)
    for j in range(blocked.shape[0]):
        low, high = blocked[j, t, 0], blocked[j, t, 1]
        if low < NEVER and high > s - half and low > s - half:
            wished = min(wished, _approach(manner, v, low - s - half, max(blocked[j, t, 2], 0.0)))
        elif low >= NEVER or low > s:
            wished = min(wished, _gives_way(manner, blocked, j, t, s, v))
    for m in range(lines.shape[0]):
        gap = lines[m, 0] - s - half
        closed = lines[m, 1] <= t * STEP_S < lines[m, 2]
        if closed and gap > 0.0 and gap - LINE_GAP_M > v * v / (2.0 * 0.7 * HARDEST_BRAKE) - 0.5:
            ahead = gap - LINE_GAP_M + STANDSTILL_GAP_M
            wished = min(wished, _approach(manner, v, ahead, 0.0))
    return wished


@kernel
@no_type_check
def _follow(manner, first, limits, blocked, lines, start, steps):
    out = np.empty((steps, 2))
    s, v, a = start[0], start[1], 0.0
    for t in range(steps):
        out[t, 0], out[t, 1] = s, v
        wished = _wished(manner, first, limits, blocked, lines, t, s, v)
        if t > 0:  # at the first step there is no earlier acceleration to be smooth with
            wished = min(max(wished, a - BRAKE_JERK * STEP_S), a + START_JERK * STEP_S)
        a = min(max(wished, -HARDEST_BRAKE), FIRMEST_START)
        after = max(v + a * STEP_S, 0.0)
        if v < 0.25 and a < 0.1:  # come to rest instead of creeping on for seconds
            after = 0.0
        a = (after - v) / STEP_S
        s += 0.5 * (v + after) * STEP_S
        v = after
    return out
