"""How a rigid body moves along a curve: stations and speeds over time, and the pose they give.

A motion is known at any time: between knots the acceleration is constant (given knots made by
constant accelerations), before the first and after the last knot the speed is. World coordinates,
metres, seconds, radians.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from mim4d.world.objects.site import Thing
from mim4d.world.streets.curves import Curve


@dataclass(frozen=True)
class Motion:
    """Stations along a curve over time; `forward` −1 drives against the curve.

    Attributes:
        curve: The path.
        times_s: Knots, increasing, at least two.
        stations_m: Station at each knot.
        speeds_mps: Rate of the station at each knot (negative against the curve).
        forward: 1 along the curve, −1 against it.
        base_m: Distance of the two points of the body that stay on the curve; its pose is that of
            their middle. 0: one point follows the curve and the heading is the curve's.
    """

    curve: Curve
    times_s: Float[np.ndarray, " q"]
    stations_m: Float[np.ndarray, " q"]
    speeds_mps: Float[np.ndarray, " q"]
    forward: float = 1.0
    base_m: float = 0.0

    def poses(self, times_s: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p 3"]:
        """x, y and yaw at each time."""
        stations = self.stations(times_s)
        if self.base_m:
            front = self.curve.poses(stations + self.base_m / 2)
            rear = self.curve.poses(stations - self.base_m / 2)
            poses = (front + rear) / 2
            across, along = front[:, 1] - rear[:, 1], front[:, 0] - rear[:, 0]
            # The chord's heading, on the turn of the circle that the curve's own yaw is on.
            chord = np.arctan2(across, along) - poses[:, 2]
            poses[:, 2] += np.remainder(chord + math.pi, 2 * math.pi) - math.pi
        else:
            poses = self.curve.poses(stations)
        if self.forward < 0:
            poses[:, 2] += math.pi
        return poses

    def stations(self, times_s: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Station at each time."""
        index, before_s, fraction = self._places(times_s)
        start, end, step = self.stations_m[index], self.stations_m[index + 1], self._steps[index]
        # Cubic through stations and speeds of both knots.
        first, last = self.speeds_mps[index] * step, self.speeds_mps[index + 1] * step
        rest = 1.0 - fraction
        inside = (
            start * rest * rest * (1.0 + 2.0 * fraction)
            + end * fraction * fraction * (3.0 - 2.0 * fraction)
            + first * fraction * rest * rest
            - last * fraction * fraction * rest
        )
        early = start + self.speeds_mps[index] * before_s
        late = end + self.speeds_mps[index + 1] * (before_s - step)
        stations: Float[np.ndarray, " p"] = np.where(
            before_s < 0.0, early, np.where(before_s > step, late, inside)
        )
        return stations

    def speeds(self, times_s: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Speed along the curve at each time (negative against it)."""
        index, before_s, fraction = self._places(times_s)
        step = self._steps[index]
        mean = (self.stations_m[index + 1] - self.stations_m[index]) / step
        first, last = self.speeds_mps[index], self.speeds_mps[index + 1]
        bulge = 6.0 * fraction * (1.0 - fraction) * (mean - (first + last) / 2)
        inside = first + (last - first) * fraction + bulge
        speeds: Float[np.ndarray, " p"] = np.where(
            before_s < 0.0, first, np.where(before_s > step, last, inside)
        )
        return speeds

    @cached_property
    def _steps(self) -> Float[np.ndarray, " q"]:
        return np.diff(self.times_s)

    def _places(
        self, times_s: Float[np.ndarray, " p"]
    ) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
        """Per time: the knot before it, the time since that knot, the same as a share in 0 to 1."""
        found = np.searchsorted(self.times_s, times_s, side="right") - 1
        index = np.clip(found, 0, len(self.times_s) - 2)
        before_s = times_s - self.times_s[index]
        return index, before_s, np.clip(before_s / self._steps[index], 0.0, 1.0)


def steady(
    curve: Curve, station_m: float, speed_mps: float, times_s: Float[np.ndarray, " q"]
) -> Motion:
    """At one speed along the curve (negative: against it), at `station_m` at time 0."""
    ends = np.array([times_s[0], times_s[-1]])
    return Motion(
        curve,
        ends,
        station_m + speed_mps * ends,
        np.full(2, speed_mps),
        1.0 if speed_mps >= 0 else -1.0,
    )


@dataclass(frozen=True)
class Mover:
    """A moving object: its shape and look, and its motion."""

    thing: Thing
    motion: Motion
