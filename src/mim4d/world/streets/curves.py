"""Plane curves made of straight lines and circular arcs: centre lines, lanes, paths of cars.

A curve's stations `s` grow along it from 0; `lateral` is the signed distance to its left. Lines and
arcs have closed forms for poses, parallel curves and nearest points, so that markings, kerbs and
paths are exact at any distance. Coordinates are x, y of the world in metres, angles in radians.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float

from mim4d.world.kernels.compile import kernel

# Columns of `Curve.pieces`.
X, Y, YAW, CURVATURE, LENGTH, START, LOWEST, HIGHEST = range(8)
UNBOUNDED_M = 1e6
FAR_M = 1e9


@dataclass(frozen=True)
class Curve:
    """Pieces of constant curvature, one after the other.

    Attributes:
        pieces: Per piece: start x, y, yaw; curvature (1/m, positive turns left); length; station of
            the start; lowest and highest station (from the piece's start) that still belong to it.
            A curve that goes on beyond an end has an unbounded value there.
    """

    pieces: Float[np.ndarray, "m 8"]

    def poses(self, stations_m: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p 3"]:
        """x, y and yaw at each station; beyond an end the last piece is continued."""
        index = np.searchsorted(self.pieces[:, START], stations_m, side="right") - 1
        piece = self.pieces[np.clip(index, 0, len(self.pieces) - 1)]
        along = stations_m - piece[:, START]
        yaw, turn = piece[:, YAW], piece[:, CURVATURE] * along
        # The chord of an arc: length s·sinc(turn / 2), heading half way between both ends.
        chord = along * np.sinc(turn / (2 * np.pi))
        x = piece[:, X] + chord * np.cos(yaw + turn / 2)
        y = piece[:, Y] + chord * np.sin(yaw + turn / 2)
        return np.stack([x, y, yaw + turn], axis=-1)

    def curvatures(self, stations_m: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Curvature (1/m) at each station."""
        index = np.searchsorted(self.pieces[:, START], stations_m, side="right") - 1
        curvatures: Float[np.ndarray, " p"] = self.pieces[
            np.clip(index, 0, len(self.pieces) - 1), CURVATURE
        ]
        return curvatures

    def offset(self, lateral_m: float) -> "Curve":
        """The parallel curve `lateral_m` to the left (its stations stretch or shrink in bends)."""
        pieces = self.pieces.copy()
        pieces[:, X] -= lateral_m * np.sin(pieces[:, YAW])
        pieces[:, Y] += lateral_m * np.cos(pieces[:, YAW])
        stretch = 1 - lateral_m * pieces[:, CURVATURE]
        assert (stretch > 0).all(), "a parallel curve beyond the centre of a bend"
        pieces[:, CURVATURE] /= stretch
        pieces[:, LENGTH] *= stretch
        pieces[:, START] = np.concatenate([[0.0], np.cumsum(pieces[:-1, LENGTH])])
        inner = pieces[:, HIGHEST] < UNBOUNDED_M
        pieces[inner, HIGHEST] = pieces[inner, LENGTH]
        return Curve(pieces)

    def reversed(self) -> "Curve":
        """The same line run through from its last piece to its first; station 0 is its start."""
        pieces = self.pieces[::-1].copy()
        ends = self.poses(pieces[:, START] + pieces[:, LENGTH])
        pieces[:, [X, Y]] = ends[:, :2]
        pieces[:, YAW] = ends[:, 2] + math.pi
        pieces[:, CURVATURE] *= -1
        pieces[:, START] = np.concatenate([[0.0], np.cumsum(pieces[:-1, LENGTH])])
        pieces[:, LOWEST], pieces[:, HIGHEST] = 0.0, pieces[:, LENGTH]
        if self.pieces[-1, HIGHEST] == UNBOUNDED_M:
            pieces[0, LOWEST] = -UNBOUNDED_M
        if self.pieces[0, LOWEST] == -UNBOUNDED_M:
            pieces[-1, HIGHEST] = UNBOUNDED_M
        return Curve(pieces)

    def segments(self, low_m: float, high_m: float) -> list[tuple[float, float]]:
        """Length and curvature of each piece between two stations."""
        starts = self.pieces[:, START].copy()
        ends = starts + self.pieces[:, LENGTH]
        starts[0], ends[-1] = min(starts[0], low_m), max(ends[-1], high_m)
        found = []
        for start, end, curvature in zip(starts, ends, self.pieces[:, CURVATURE], strict=True):
            length = min(float(end), high_m) - max(float(start), low_m)
            if length > 1e-9:
                found.append((length, float(curvature)))
        return found

    def placed(self, station_m: float, pose: tuple[float, float, float]) -> "Curve":
        """The curve moved so that a station has this pose (x, y, yaw) and becomes station 0."""
        x0, y0, yaw0 = self.poses(np.array([station_m]))[0]
        pieces, turn = self.pieces.copy(), pose[2] - yaw0
        x, y = self.pieces[:, X] - x0, self.pieces[:, Y] - y0
        pieces[:, X] = pose[0] + x * math.cos(turn) - y * math.sin(turn)
        pieces[:, Y] = pose[1] + x * math.sin(turn) + y * math.cos(turn)
        pieces[:, YAW] += turn
        pieces[:, START] -= station_m
        return Curve(pieces)

    def station_of(self, x: float, y: float) -> float:
        """Station of the nearest point of the curve to (x, y)."""
        return float(self.project(np.array([[x, y]]))[0][0])

    def table(self) -> Float[np.ndarray, "m 13"]:
        """The pieces with what `project_point` would else compute again for every point.

        Further columns: cos and sin of the yaw; middle; half the length (unbounded pieces: inf).
        """
        pieces = self.pieces
        half = pieces[:, LENGTH] / 2
        middle = self.poses(pieces[:, START] + half)[:, :2]
        bounded = (pieces[:, LOWEST] == 0.0) & (pieces[:, HIGHEST] < UNBOUNDED_M)
        reach = np.where(bounded, half, np.inf)
        return np.column_stack(
            [pieces, np.cos(pieces[:, YAW]), np.sin(pieces[:, YAW]), middle, reach]
        )

    def project(
        self, points: Float[np.ndarray, "p 2"]
    ) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
        """Station and lateral of the nearest point of the curve, for each point."""
        both = _project_all(self.table(), np.ascontiguousarray(points, dtype=np.float64))
        return both[:, 0], both[:, 1]


def build_curve(
    start: tuple[float, float, float],
    pieces: Sequence[tuple[float, float]],
    *,
    open_start: bool = True,
    open_end: bool = True,
) -> Curve:
    """A curve from its start pose (x, y, yaw) and (length, curvature) of each piece.

    Args:
        start: Pose at station 0.
        pieces: Lengths (m) and curvatures (1/m). A piece at an open end must be straight.
        open_start: The curve goes on, straight, before station 0.
        open_end: The curve goes on, straight, after its last station.
    """
    assert pieces, "a curve needs a piece"
    assert not (open_start and pieces[0][1]), "an open start must be straight"
    assert not (open_end and pieces[-1][1]), "an open end must be straight"
    rows = np.zeros((len(pieces), 8))
    x, y, yaw = start
    station = 0.0
    for row, (length, curvature) in zip(rows, pieces, strict=True):
        row[:] = x, y, yaw, curvature, length, station, 0.0, length
        turn = length * curvature
        chord = length * np.sinc(turn / (2 * math.pi))
        x += chord * math.cos(yaw + turn / 2)
        y += chord * math.sin(yaw + turn / 2)
        yaw += turn
        station += length
    rows[0, LOWEST] = -UNBOUNDED_M if open_start else 0.0
    rows[-1, HIGHEST] = UNBOUNDED_M if open_end else rows[-1, LENGTH]
    return Curve(rows)


@kernel
@no_type_check
def project_point(table, first, end, x, y, limit):
    """Station and lateral of the point nearest to (x, y) of the curve in rows of a `Curve.table`.

    A lateral of `FAR_M` says that the curve is farther away than `limit`. Kernels take whole arrays
    and row numbers: numba counts references for every view of a row.
    """
    best, best_s, best_lateral = limit * limit, 0.0, FAR_M
    for i in range(first, end):
        reach = math.sqrt(best) + table[i, 12]
        if (x - table[i, 10]) ** 2 + (y - table[i, 11]) ** 2 > reach * reach:
            continue
        curvature, lowest, highest = table[i, 3], table[i, 6], table[i, 7]
        dx, dy, cos, sin = x - table[i, 0], y - table[i, 1], table[i, 8], table[i, 9]
        along, left = dx * cos + dy * sin, dy * cos - dx * sin
        if curvature == 0.0:
            s = min(max(along, lowest), highest)
            lateral = left
            squared = (along - s) ** 2 + left * left
        else:
            # In the piece's own axes the centre of its circle is (0, 1 / curvature).
            radius, sign = 1.0 / abs(curvature), math.copysign(1.0, curvature)
            to_centre = radius - sign * left
            distance = math.sqrt(along * along + to_centre * to_centre)
            raw = math.atan2(along, to_centre) * radius
            s = min(max(raw, lowest), highest)
            lateral = sign * (radius - distance)
            # Law of cosines between the point and the clamped foot on the circle.
            gap = 0.0 if raw == s else 2.0 * math.sin((raw - s) / (2.0 * radius))
            squared = (radius - distance) ** 2 + radius * distance * gap * gap
        if squared < best:
            best, best_s = squared, table[i, 5] + s
            best_lateral = math.copysign(math.sqrt(squared), lateral)
    return best_s, best_lateral


@kernel
@no_type_check
def heading_at(table, first, end, s):
    """Heading of the curve in rows of a `Curve.table` at a station."""
    row = first
    for i in range(first + 1, end):
        if table[i, 5] <= s:
            row = i
    return table[row, 2] + table[row, 3] * (s - table[row, 5])


@kernel
@no_type_check
def _project_all(table, points):
    out = np.empty((points.shape[0], 2))
    for i in range(points.shape[0]):
        x, y = points[i, 0], points[i, 1]
        out[i, 0], out[i, 1] = project_point(table, 0, table.shape[0], x, y, FAR_M)
    return out
