"""The building site of a scene: objects that have been placed, and a test for free ground.

Footprints are rectangles with a heading. Nothing may overlap what already stands, and each thing
keeps a given distance from kerbs. World coordinates, metres, radians.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mim4d.world.ground import GroundTable
from mim4d.world.meshes import Mesh
from mim4d.world.spots import OBJECT_COLUMNS

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
    """

    mesh: Mesh
    x: float
    y: float
    yaw: float
    look: Float[np.ndarray, "10"]
    seed: int
    category: str = ""

    def row(self) -> Float[np.ndarray, " c"]:
        """Its row of the object table."""
        return object_row(self.x, self.y, self.yaw, self.seed, self.look)


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


def overlap(
    a: Float[np.ndarray, "*n 4 2"], b: Float[np.ndarray, "*n 4 2"]
) -> Float[np.ndarray, "*n"]:
    """How far rectangles overlap along the axis on which they do least; negative: a gap."""
    least = None
    for box in (a, b):
        for side in (box[..., 0, :] - box[..., 1, :], box[..., 1, :] - box[..., 2, :]):
            axis = side / np.linalg.norm(side, axis=-1, keepdims=True)
            along_a = np.einsum("...ij,...j->...i", a, axis)
            along_b = np.einsum("...ij,...j->...i", b, axis)
            shared = np.minimum(along_a.max(-1), along_b.max(-1)) - np.maximum(
                along_a.min(-1), along_b.min(-1)
            )
            least = shared if least is None else np.minimum(least, shared)
    assert least is not None
    return np.asarray(least)


class Site:
    """Placed objects; grows while a scene is furnished.

    Attributes:
        ground: The roads.
        things: What stands so far.
    """

    def __init__(self, ground: GroundTable) -> None:
        self.ground = ground
        self.things: list[Thing] = []
        self._corners = np.zeros((256, 4, 2))  # doubled when full
        self._centres = np.zeros((256, 2))
        self._reaches = np.zeros(256)

    @property
    def corners(self) -> Float[np.ndarray, "k 4 2"]:
        """Footprint of each thing."""
        return self._corners[: len(self.things)]

    def is_free(self, corners: Float[np.ndarray, "4 2"], gap_m: float) -> bool:
        """Whether a footprint keeps `gap_m` from everything that stands."""
        count = len(self.things)
        centre = corners.mean(axis=0)
        reach = math.dist(corners[0], centre) + gap_m
        apart = ((self._centres[:count] - centre) ** 2).sum(axis=1)
        near = self.corners[apart < (self._reaches[:count] + reach) ** 2]
        if not len(near):
            return True
        return bool((overlap(np.broadcast_to(corners, near.shape), near) < -gap_m).all())

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

    def put(
        self,
        mesh: Mesh,
        pose: tuple[float, float, float],
        look: Float[np.ndarray, "10"],
        rng: np.random.Generator,
        category: str = "",
        footprint_m: tuple[float, float] | None = None,
    ) -> None:
        """Place a mesh; it takes up its own extent or the half sizes given."""
        low, high = mesh.extent
        half_x, half_y = footprint_m or (max(-low[0], high[0]), max(-low[1], high[1]))
        thing = Thing(mesh, *pose, look, int(rng.integers(1 << 20)), category)
        self.add(thing, rectangle(*pose, float(half_x), float(half_y)))

    def add(self, thing: Thing, corners: Float[np.ndarray, "4 2"]) -> None:
        """Place an object."""
        count = len(self.things)
        if count == len(self._reaches):
            self._corners = np.concatenate([self._corners, np.zeros_like(self._corners)])
            self._centres = np.concatenate([self._centres, np.zeros_like(self._centres)])
            self._reaches = np.concatenate([self._reaches, np.zeros_like(self._reaches)])
        self._corners[count] = corners
        self._centres[count] = corners.mean(axis=0)
        self._reaches[count] = math.dist(corners[0], corners.mean(axis=0))
        self.things.append(thing)

    def clear(self, swept: Float[np.ndarray, "q 4 2"]) -> None:
        """Take away whatever a moving footprint would touch."""
        kept = [
            (thing, at.copy())
            for thing, at in zip(self.things, self.corners, strict=True)
            if (overlap(np.broadcast_to(at, swept.shape), swept) < 0.0).all()
        ]
        self.things = []
        for thing, at in kept:
            self.add(thing, at)
