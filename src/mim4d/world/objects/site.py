"""The building site of a scene: objects that have been placed, and a test for free ground.

Footprints are rectangles with a heading. Nothing may overlap what already stands, and each thing
keeps a given distance from kerbs. World coordinates, metres, radians.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.spots import OBJECT_COLUMNS
from mim4d.world.objects.catalogue import Specimen
from mim4d.world.objects.meshes import Mesh
from mim4d.world.objects.stock import Stock
from mim4d.world.streets.ground import GroundTable

SQUARE = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
RIM = np.concatenate(
    [SQUARE * f + np.roll(SQUARE, -1, axis=0) * (1 - f) for f in (1.0, 0.75, 0.5, 0.25)]
)


@dataclass(frozen=True)
class Thing:
    """An object of the scene.

    Attributes:
        mesh: Shape in its own axes.
        x: Where its origin stands (for a mover: unused, its track says).
        y: The same.
        yaw: Heading.
        look: Colour, second colour and form: columns 6 to 15 of the object table.
        seed: Of its textures.
        category: nuScenes category if the object is annotated, else empty.
        rider: Somebody sits on it (bicycles and motorcycles).
    """

    mesh: Mesh
    x: float
    y: float
    yaw: float
    look: Float[np.ndarray, "10"]
    seed: int
    category: str = ""
    rider: bool = False

    def row(self) -> Float[np.ndarray, " c"]:
        """Its row of the object table."""
        return object_row(self.x, self.y, self.yaw, self.seed, self.look)


def as_thing(
    specimen: Specimen, pose: tuple[float, float, float], rng: np.random.Generator
) -> Thing:
    """A specimen at a pose, with a texture of its own."""
    seed = int(rng.integers(1 << 20))
    return Thing(specimen.mesh, *pose, specimen.look, seed, specimen.category, specimen.rider)


def half_size(mesh: Mesh) -> tuple[float, float]:
    """Half length and half width of a mesh's footprint around its origin."""
    low, high = mesh.extent
    return float(max(-low[0], high[0])), float(max(-low[1], high[1]))


def object_row(
    x: float, y: float, yaw: float, seed: int, look: Float[np.ndarray, "10"]
) -> Float[np.ndarray, " c"]:
    """A row of the object table, see `materials`."""
    row = np.empty(OBJECT_COLUMNS)
    row[:6] = x, y, 0.0, math.cos(yaw), math.sin(yaw), seed
    row[6:] = look
    return row


def rectangle(
    x: float, y: float, yaw: float, half_x: float, half_y: float
) -> Float[np.ndarray, "4 2"]:
    """Corners of a rectangle around (x, y)."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return SQUARE * np.array([half_x, half_y]) @ np.array([[cos, sin], [-sin, cos]]) + np.array(
        [x, y]
    )


def rectangles(
    poses: Float[np.ndarray, "q 3"], half_m: tuple[float, float]
) -> Float[np.ndarray, "q 4 2"]:
    """Corners of one rectangle at many poses."""
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    turn = np.stack([np.stack([cos, sin], axis=-1), np.stack([-sin, cos], axis=-1)], axis=-2)
    corners: Float[np.ndarray, "q 4 2"] = SQUARE * np.array(half_m) @ turn + poses[:, None, :2]
    return corners


def overlap(
    a: Float[np.ndarray, "*n 4 2"], b: Float[np.ndarray, "*n 4 2"]
) -> Float[np.ndarray, "*n"]:
    """How far rectangles overlap along the axis on which they do least; negative: a gap."""
    first, second = (np.ascontiguousarray(corners).reshape(-1, 4, 2) for corners in (a, b))
    found: Float[np.ndarray, "*n"] = _overlaps(first, second).reshape(a.shape[:-2])
    return found


def meets(
    ones: Float[np.ndarray, "n 4 2"], others: Float[np.ndarray, "m 4 2"], gap_m: float
) -> bool:
    """Whether any of some rectangles comes as close as `gap_m` to any of others."""
    return bool(_any_meets(np.ascontiguousarray(ones), np.ascontiguousarray(others), gap_m))


def meets_in_time(
    one: Float[np.ndarray, "q 4 2"], others: Float[np.ndarray, "k q 4 2"], gap_m: float
) -> bool:
    """Whether a moving rectangle comes as close as `gap_m` to any other at the same time."""
    return bool(_any_meets_in_time(np.ascontiguousarray(one), others, gap_m))


@kernel
@no_type_check
def overlap_at(a, i, b, j):
    """Overlap of rectangle i of `a` and rectangle j of `b`, see `overlap`."""
    least = 1e18
    for side in range(4):
        k = side % 2
        if side < 2:
            x, y = a[i, k, 0] - a[i, k + 1, 0], a[i, k, 1] - a[i, k + 1, 1]
        else:
            x, y = b[j, k, 0] - b[j, k + 1, 0], b[j, k, 1] - b[j, k + 1, 1]
        norm = math.sqrt(x * x + y * y)
        x, y = x / norm, y / norm
        low_a, high_a, low_b, high_b = 1e18, -1e18, 1e18, -1e18
        for c in range(4):
            along = a[i, c, 0] * x + a[i, c, 1] * y
            low_a, high_a = min(low_a, along), max(high_a, along)
            along = b[j, c, 0] * x + b[j, c, 1] * y
            low_b, high_b = min(low_b, along), max(high_b, along)
        least = min(least, min(high_a, high_b) - max(low_a, low_b))
    return least


@kernel
@no_type_check
def apart(a, i, b, j, gap):
    """Whether circles around two rectangles already keep them `gap` apart: cheap, often true."""
    x = 0.5 * (a[i, 0, 0] + a[i, 2, 0] - b[j, 0, 0] - b[j, 2, 0])
    y = 0.5 * (a[i, 0, 1] + a[i, 2, 1] - b[j, 0, 1] - b[j, 2, 1])
    reach = gap + 0.5 * math.sqrt((a[i, 0, 0] - a[i, 2, 0]) ** 2 + (a[i, 0, 1] - a[i, 2, 1]) ** 2)
    reach += 0.5 * math.sqrt((b[j, 0, 0] - b[j, 2, 0]) ** 2 + (b[j, 0, 1] - b[j, 2, 1]) ** 2)
    return x * x + y * y > reach * reach


@kernel
@no_type_check
def _overlaps(a, b):
    out = np.empty(a.shape[0])
    for i in range(a.shape[0]):
        out[i] = overlap_at(a, i, b, i)
    return out


@kernel
@no_type_check
def _any_meets(ones, others, gap):
    for i in range(ones.shape[0]):
        for j in range(others.shape[0]):
            if not apart(ones, i, others, j, gap) and overlap_at(ones, i, others, j) > -gap:
                return True
    return False


@kernel
@no_type_check
def _any_meets_in_time(one, others, gap):
    for k in range(others.shape[0]):
        for t in range(one.shape[0]):
            if not apart(one, t, others[k], t, gap) and overlap_at(one, t, others[k], t) > -gap:
                return True
    return False


class Site:
    """Placed objects; grows while a scene is furnished.

    Attributes:
        ground: The roads.
        stock: Shapes for what is placed.
        things: What stands so far.
    """

    def __init__(self, ground: GroundTable, stock: Stock) -> None:
        self.ground = ground
        self.stock = stock
        self.things: list[Thing] = []
        self._corners = np.zeros((256, 4, 2))  # doubled when full

    @property
    def corners(self) -> Float[np.ndarray, "k 4 2"]:
        """Footprint of each thing."""
        return self._corners[: len(self.things)]

    def is_free(self, corners: Float[np.ndarray, "4 2"], gap_m: float) -> bool:
        """Whether a footprint keeps `gap_m` from everything that stands."""
        return not meets(corners[None], self.corners, gap_m)

    def beyond_sidewalk(self, corners: Float[np.ndarray, "4 2"]) -> float:
        """Least distance of the footprint's rim from a sidewalk (negative on it)."""
        centre = corners.mean(axis=0)
        half_a, half_b = (corners[0] - corners[3]) / 2, (corners[0] - corners[1]) / 2
        rim = centre + RIM[:, :1] * half_a + RIM[:, 1:] * half_b
        beyond = self.ground.beyond_kerb(np.concatenate([rim, centre[None]]))
        return float((beyond[:, 0] - beyond[:, 1]).min())

    def beyond_kerb(self, corners: Float[np.ndarray, "4 2"]) -> float:
        """Least distance of the corners from a kerb (negative on the road)."""
        return float(self.ground.beyond_kerb(corners)[:, 0].min())

    def highest_beyond_kerb(self, corners: Float[np.ndarray, "q 4 2"]) -> float:
        """Greatest distance of any corner of many footprints from the road (negative: on it)."""
        return float(self.ground.beyond_kerb(corners.reshape(-1, 2))[:, 0].max())

    def put(
        self,
        specimen: Specimen,
        pose: tuple[float, float, float],
        rng: np.random.Generator,
        footprint_m: tuple[float, float] | None = None,
    ) -> None:
        """Place a specimen; it takes up its own extent or the half sizes given."""
        half = footprint_m or half_size(specimen.mesh)
        self.add(as_thing(specimen, pose, rng), rectangle(*pose, *half))

    def add(self, thing: Thing, corners: Float[np.ndarray, "4 2"]) -> None:
        """Place an object."""
        count = len(self.things)
        if count == len(self._corners):
            self._corners = np.concatenate([self._corners, np.zeros_like(self._corners)])
        self._corners[count] = corners
        self.things.append(thing)

    def clear(self, swept: Float[np.ndarray, "q 4 2"]) -> None:
        """Take away whatever a moving footprint would touch."""
        kept = [
            (thing, at.copy())
            for thing, at in zip(self.things, self.corners, strict=True)
            if not meets(swept, at[None], 0.0)
        ]
        self.things = []
        for thing, at in kept:
            self.add(thing, at)
