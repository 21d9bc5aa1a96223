"""Darkening of the ground under and beside objects, where the sky's light does not reach.

Footprints lie in cells of a coarse grid around the camera, so that a point asks only those near it.
World axes, metres.
"""

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int32

from mim4d.world.kernels.compile import kernel

CELL_M, CELLS, PER_CELL = 4.0, 24, 10
REACH_M = 2.0  # footprints are felt that far beyond their edges


class Contact(NamedTuple):
    """Footprints, the grid's corner, and which footprints (−1: none) may be felt in each cell."""

    footprints: Float[np.ndarray, "q 6"]
    x: float
    y: float
    cells: Int32[np.ndarray, "n n u"]


def make_contact(footprints: Float[np.ndarray, "q 6"], origin: Float[np.ndarray, "3"]) -> Contact:
    """Sort footprints (x, y, cos, sin, half length, half width) into a grid around the camera."""
    half = 0.5 * CELLS * CELL_M
    x, y = float(origin[0]) - half, float(origin[1]) - half
    footprints = np.ascontiguousarray(footprints)  # one compiled kernel serves all orders
    return Contact(footprints, x, y, _sort(footprints, x, y))


@kernel
@no_type_check
def _sort(footprints, x, y):
    cells = np.full((CELLS, CELLS, PER_CELL), -1, np.int32)
    counts = np.zeros((CELLS, CELLS), np.int32)
    for k in range(footprints.shape[0]):
        reach = math.hypot(footprints[k, 4], footprints[k, 5]) + REACH_M
        first_i = max(int((footprints[k, 0] - reach - x) / CELL_M), 0)
        first_j = max(int((footprints[k, 1] - reach - y) / CELL_M), 0)
        last_i = min(math.floor((footprints[k, 0] + reach - x) / CELL_M), CELLS - 1)
        last_j = min(math.floor((footprints[k, 1] + reach - y) / CELL_M), CELLS - 1)
        for i in range(first_i, last_i + 1):
            for j in range(first_j, last_j + 1):
                if counts[i, j] < PER_CELL:
                    cells[i, j, counts[i, j]] = k
                    counts[i, j] += 1
    return cells


@kernel
@no_type_check
def sky_share(contact, x, y):
    """Share of the sky's light that reaches the ground at a point."""
    i = math.floor((x - contact.x) / CELL_M)
    j = math.floor((y - contact.y) / CELL_M)
    if i < 0 or j < 0 or i >= CELLS or j >= CELLS:
        return 1.0
    light, footprints, cells = 1.0, contact.footprints, contact.cells
    for slot in range(PER_CELL):
        k = cells[i, j, slot]
        if k < 0:
            break
        dx, dy = x - footprints[k, 0], y - footprints[k, 1]
        cos, sin = footprints[k, 2], footprints[k, 3]
        half_x, half_y = footprints[k, 4], footprints[k, 5]
        ahead, aside = abs(dx * cos + dy * sin) - half_x, abs(dy * cos - dx * sin) - half_y
        outside = math.sqrt(max(ahead, 0.0) ** 2 + max(aside, 0.0) ** 2)
        if outside < REACH_M:
            inside = min(max(-max(ahead, aside), 0.0), 0.6)
            falloff = 2.5 / min(half_x + half_y, 1.0)  # small things darken little ground
            light = min(light, 1.0 - 0.6 * math.exp(-falloff * outside) - 0.5 * inside)
    return light
