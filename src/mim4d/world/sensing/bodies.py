"""The annotated objects of a scene: rigid bodies with an instance number, a box and a motion.

Instance numbers count from 1: what stands comes first, then the movers, in the order of the layout;
0 is everything without a category. World axes, metres, radians.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int64, UInt16

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.tracing import Hits, Solid
from mim4d.world.objects.site import Thing
from mim4d.world.scene.layout import Layout

MOST_INSTANCES = 65535


@dataclass(frozen=True)
class Bodies:
    """Rigid bodies, instance `i` in row `i - 1`.

    Attributes:
        things: Shape, look and category.
        standing: How many of them stand; the others are the movers.
        standing_poses: x, y and yaw of those that stand.
        centres_m: Middle of each box in its object's axes.
        halves_m: Half length, half width and half height of each box.
        triangles: Of all bodies, in their own axes.
        first: Row of each body's first triangle; at the end, the number of triangles.
        instance_of_row: Instance of each row of the object table; 0: not annotated.
    """

    things: tuple[Thing, ...]
    standing: int
    standing_poses: Float[np.ndarray, "s 3"]
    centres_m: Float[np.ndarray, "k 3"]
    halves_m: Float[np.ndarray, "k 3"]
    triangles: Float[np.ndarray, "p 3 3"]
    first: Int64[np.ndarray, " q"]
    instance_of_row: UInt16[np.ndarray, " c"]

    def poses(self, mover_poses: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "k 3"]:
        """x, y and yaw of every body, given the movers'."""
        return np.concatenate([self.standing_poses, mover_poses])

    def frames(self, poses: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "k 8"]:
        """Per body: centre of its box, cos and sin of its yaw, half extents."""
        cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        x = poses[:, 0] + cos * self.centres_m[:, 0] - sin * self.centres_m[:, 1]
        y = poses[:, 1] + sin * self.centres_m[:, 0] + cos * self.centres_m[:, 1]
        return np.column_stack([x, y, self.centres_m[:, 2], cos, sin, self.halves_m])


def find_bodies(layout: Layout) -> Bodies:
    """The annotated objects of a scene.

    Raises:
        ValueError: There are more than instance numbers.
    """
    rows = [row for row, thing in enumerate(layout.things) if thing.category]
    things = [layout.things[row] for row in rows] + [mover.thing for mover in layout.movers]
    if len(things) > MOST_INSTANCES:
        raise ValueError(f"{len(things)} annotated objects: expected at most {MOST_INSTANCES}")
    instance_of_row = np.zeros(len(layout.things) + len(layout.movers), np.uint16)
    instance_of_row[rows] = np.arange(1, len(rows) + 1)
    instance_of_row[len(layout.things) :] = np.arange(len(rows) + 1, len(things) + 1)
    extents = np.array([thing.mesh.extent for thing in things]).reshape(-1, 2, 3)
    triangles = [thing.mesh.triangles for thing in things]
    return Bodies(
        things=tuple(things),
        standing=len(rows),
        standing_poses=np.array([(t.x, t.y, t.yaw) for t in things[: len(rows)]]).reshape(-1, 3),
        centres_m=extents.mean(axis=1),
        halves_m=(extents[:, 1] - extents[:, 0]) / 2,
        triangles=np.concatenate([np.zeros((0, 3, 3)), *triangles]),
        first=np.cumsum([0, *(len(own) for own in triangles)]),
        instance_of_row=instance_of_row,
    )


def instances_of_hits(
    hits: Hits, standing: Solid, moving: Solid, instance_of_row: UInt16[np.ndarray, " c"]
) -> UInt16[np.ndarray, " r"]:
    """Instance that each ray hits; 0 for none."""
    return _instances_kernel(
        hits.kind, hits.triangle, standing.objects, moving.objects, instance_of_row
    )


@kernel
@no_type_check
def _instances_kernel(kind, triangle, standing, moving, instance_of_row):
    out = np.zeros(kind.shape[0], np.uint16)
    for i in range(kind.shape[0]):
        if kind[i] == 1:
            out[i] = instance_of_row[standing[triangle[i]]]
        elif kind[i] == 2:
            out[i] = instance_of_row[moving[triangle[i]]]
    return out
