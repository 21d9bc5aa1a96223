"""The clock of a scene's motion: poses and their rates at all times at which anything is measured.

World axes, metres, seconds, radians; times in whole microseconds.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from mim4d.world.scene.layout import Layout
from mim4d.world.traffic.motion import Motion

HALF_STEP_S = 5e-4  # of the differences that give velocities


@dataclass(frozen=True)
class Tracks:
    """Motion at a list of times.

    Attributes:
        times_us: Increasing.
        poses: x, y and yaw of each mover.
        velocities: Of its origin, x and y, metres per second.
        yaw_rates: Radians per second.
        ego: x, y and yaw of the ego car.
    """

    times_us: Int64[np.ndarray, " q"]
    poses: Float[np.ndarray, "k q 3"]
    velocities: Float[np.ndarray, "k q 2"]
    yaw_rates: Float[np.ndarray, "k q"]
    ego: Float[np.ndarray, "q 3"]

    def select(self, times_us: Int64[np.ndarray, " p"]) -> "Tracks":
        """The same at fewer times, all of which must be tracked."""
        q = np.searchsorted(self.times_us, times_us)
        return Tracks(
            self.times_us[q],
            self.poses[:, q],
            self.velocities[:, q],
            self.yaw_rates[:, q],
            self.ego[q],
        )

    def index(self, time_us: int) -> int:
        """Where a time stands in the list.

        Raises:
            KeyError: It is none of them.
        """
        q = int(np.searchsorted(self.times_us, time_us))
        if q == len(self.times_us) or self.times_us[q] != time_us:
            raise KeyError(f"time {time_us} µs is none of those tracked")
        return q


def track(layout: Layout, times_us: Int64[np.ndarray, " q"]) -> Tracks:
    """Motion of a scene at increasing times."""
    times_s = times_us * 1e-6
    shape = (len(layout.movers), len(times_us))
    poses, rates = np.zeros((*shape, 3)), np.zeros((*shape, 3))
    for k, mover in enumerate(layout.movers):
        poses[k] = mover.motion.poses(times_s)
        rates[k] = pose_rates(mover.motion, times_s)
    return Tracks(times_us, poses, rates[..., :2], rates[..., 2], layout.ego.poses(times_s))


def pose_rates(
    motion: Motion, times_s: Float[np.ndarray, " q"], half_step_s: float = HALF_STEP_S
) -> Float[np.ndarray, "q 3"]:
    """Velocity x, y and yaw rate at each time, by central differences."""
    step = motion.poses(times_s + half_step_s) - motion.poses(times_s - half_step_s)
    step[:, 2] = np.remainder(step[:, 2] + np.pi, 2 * np.pi) - np.pi
    rates: Float[np.ndarray, "q 3"] = step / (2 * half_step_s)
    return rates
