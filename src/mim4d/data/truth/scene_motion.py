"""The exact rigid motion of every instance of a scene of the embedded world.

A file of `truth/motion` has the poses (x, y, yaw in `global`) of the standing instances 1 to `s`,
and poses, velocities (m/s) and yaw rates (rad/s) of the moving ones `s + 1` to `s + k` at every
timestamp of the scene and at the beginning of every turn of the LiDAR. There it is exact; between
these times poses follow the cubic through poses and velocities of both neighbours: over gaps within
a LiDAR turn (at most 1/50 s here) that is exact to a fraction of a millimetre, over the half second
between key frames without sweeps to about a centimetre.
"""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Int64, Shaped

from mim4d.errors import DataError, MissingFileError


@dataclass(frozen=True)
class SceneMotion:
    """Instances of a scene and how they move; instance `i` is row `i - 1` of what is per instance.

    Attributes:
        times_us: Timestamps, increasing.
        tokens: Of each instance in the table `instance`; empty if it is never annotated.
        categories: Of each instance.
        box_centres_m: Centre of each one's box in its own axes (x forward, z up from the ground).
        box_sizes_lwh_m: Length, width and height of the box.
        standing_poses: x, y and yaw of those that stand.
        moving_poses: x, y and yaw of each mover at each time.
        moving_velocities: Of the origin of its axes.
        moving_yaw_rates: Counter-clockwise.
    """

    times_us: Int64[np.ndarray, " q"]
    tokens: Shaped[np.ndarray, " i"]
    categories: Shaped[np.ndarray, " i"]
    box_centres_m: Float[np.ndarray, "i 3"]
    box_sizes_lwh_m: Float[np.ndarray, "i 3"]
    standing_poses: Float[np.ndarray, "s 3"]
    moving_poses: Float[np.ndarray, "k q 3"]
    moving_velocities: Float[np.ndarray, "k q 2"]
    moving_yaw_rates: Float[np.ndarray, "k q"]

    @classmethod
    def load(cls, path: Path) -> "SceneMotion":
        """Read a file of `truth/motion`.

        Raises:
            DataError: It is missing, damaged, or lacks an array.
        """
        if not path.is_file():
            raise MissingFileError(f"{path}: exact motion not found; make the world anew")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: damaged ({error}); make the world anew") from error

    def number_of(self, token: str) -> int:
        """Number of the instance with this token.

        Raises:
            KeyError: There is none.
        """
        found = np.flatnonzero(self.tokens == token)
        if not token or not len(found):
            raise KeyError(f"no instance has the token {token!r}")
        return int(found[0]) + 1

    def poses(
        self, numbers: Int[np.ndarray, " p"], times_us: Int[np.ndarray, " p"]
    ) -> Float[np.ndarray, "p 3"]:
        """x, y and yaw of instances, each at its own time.

        Raises:
            ValueError: A number is none of an instance, or a mover's time lies outside the scene.
        """
        return self._states(numbers, times_us)[0]

    def velocities(
        self,
        numbers: Int[np.ndarray, " p"],
        times_us: Int[np.ndarray, " p"],
        points: Float[np.ndarray, "p 3"],
    ) -> Float[np.ndarray, "p 3"]:
        """Velocities of points that are part of instances (0: of none), in `global`.

        Args:
            numbers: Instance of each point.
            times_us: When.
            points: Where it is then, in `global`.

        Raises:
            ValueError: A number is none of an instance, or a mover's time lies outside the scene.
        """
        out = np.zeros((len(points), 3))
        moving = np.flatnonzero(numbers > len(self.standing_poses))
        poses, rates = self._states(numbers[moving], times_us[moving])
        arm = points[moving, :2] - poses[:, :2]
        out[moving, 0] = rates[:, 0] - rates[:, 2] * arm[:, 1]
        out[moving, 1] = rates[:, 1] + rates[:, 2] * arm[:, 0]
        return out

    def displacement(self, number: int, from_us: int, to_us: int) -> Float[np.ndarray, "4 4"]:
        """Where an instance's points go between two times: `global` at one to `global` at other."""
        poses = self.poses(np.array([number] * 2), np.array([from_us, to_us]))
        start, end = (_matrix(pose) for pose in poses)
        moved: Float[np.ndarray, "4 4"] = end @ np.linalg.inv(start)
        return moved

    def _states(
        self, numbers: Int[np.ndarray, " p"], times_us: Int[np.ndarray, " p"]
    ) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, "p 3"]]:
        """Poses and their rates."""
        if len(numbers) and not 1 <= numbers.min() <= numbers.max() <= len(self.tokens):
            raise ValueError(
                f"instances {numbers.min()} to {numbers.max()}: expected 1 to {len(self.tokens)}"
            )
        standing = len(self.standing_poses)
        poses, rates = np.zeros((len(numbers), 3)), np.zeros((len(numbers), 3))
        still = numbers <= standing
        poses[still] = self.standing_poses[numbers[still] - 1]
        poses[~still], rates[~still] = self._moving(
            numbers[~still] - standing - 1, times_us[~still]
        )
        return poses, rates

    def _moving(
        self, movers: Int[np.ndarray, " p"], times_us: Int[np.ndarray, " p"]
    ) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, "p 3"]]:
        first, last = self.times_us[0], self.times_us[-1]
        if len(times_us) and not first <= times_us.min() <= times_us.max() <= last:
            raise ValueError(
                f"times {times_us.min()} to {times_us.max()}: expected {first} to {last}"
            )
        after = np.clip(np.searchsorted(self.times_us, times_us), 1, len(self.times_us) - 1)
        before = after - 1
        step = (self.times_us[after] - self.times_us[before])[:, None] * 1e-6
        f = (times_us - self.times_us[before])[:, None] * 1e-6 / step
        start, end = self.moving_poses[movers, before], self.moving_poses[movers, after]
        end[:, 2] = start[:, 2] + np.remainder(end[:, 2] - start[:, 2] + np.pi, 2 * np.pi) - np.pi
        go, come = (
            np.column_stack([self.moving_velocities[movers, q], self.moving_yaw_rates[movers, q]])
            for q in (before, after)
        )
        g, change = 1.0 - f, (end - start) / step
        # The cubic through both ends, and its derivative.
        poses = start * g * g * (1 + 2 * f) + end * f * f * (3 - 2 * f)
        poses += step * f * g * (go * g - come * f)
        rates = 6 * f * g * change + go * g * (1 - 3 * f) + come * f * (3 * f - 2)
        return poses, rates


def _matrix(pose: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    matrix = np.eye(4)
    matrix[:2, :2], matrix[:2, 3] = [[cos, -sin], [sin, cos]], pose[:2]
    return matrix
