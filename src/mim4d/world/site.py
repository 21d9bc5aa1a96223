"""The building site of a scene: objects that have been placed, and a test for free ground.

Footprints are rectangles with a heading. Nothing may overlap what already stands, and each thing keeps a
given distance from kerbs. World coordinates, metres, radians.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from mim4d.world.ground import GroundTable
from mim4d.world.materials import OBJECT_COLUMNS
from mim4d.world.meshes import Mesh

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
    """By how much rectangles overlap along the axis on which they overlap least; negative: a gap."""
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


@dataclass
class Site:
    """Placed objects; grows while a scene is furnished.

    Attributes:
        ground: The roads.
        things: What stands so far.
        corners: Footprint of each thing that takes up ground.
    """

    ground: GroundTable
    things: list[Thing] = field(default_factory=list)
    corners: list[Float[np.ndarray, "4 2"]] = field(default_factory=list)

    def is_free(self, corners: Float[np.ndarray, "4 2"], gap_m: float) -> bool:
        """Whether a footprint keeps `gap_m` from everything that stands."""
        if not self.corners:
            return True
        others = np.stack(self.corners)
        reach = np.linalg.norm(corners - corners.mean(axis=0), axis=-1).max()
        reaches = np.linalg.norm(others - others.mean(axis=1, keepdims=True), axis=-1).max(axis=1)
        apart = np.linalg.norm(others.mean(axis=1) - corners.mean(axis=0), axis=-1)
        near = others[apart < reach + reaches + gap_m]
        return not len(near) or bool(
            (overlap(np.broadcast_to(corners, near.shape), near) < -gap_m).all()
        )

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

    def add(self, thing: Thing, corners: Float[np.ndarray, "4 2"]) -> None:
        """Place an object."""
        self.things.append(thing)
        self.corners.append(corners)
