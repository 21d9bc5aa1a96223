"""Moving objects placed one by one: their poses, rows and triangles, moved instead of the rays."""

import numpy as np

from mim4d.world.kernels.tracing import Solid
from mim4d.world.objects.meshes import join
from mim4d.world.objects.site import object_row
from mim4d.world.scene.layout import Layout


def mover_poses(layout: Layout, time_s: float) -> np.ndarray:
    """x, y and yaw of each mover at a time."""
    return np.stack([mover.motion.poses(np.array([time_s]))[0] for mover in layout.movers])


def mover_rows(layout: Layout, poses: np.ndarray) -> np.ndarray:
    """The movers' rows of the object table."""
    things = [mover.thing for mover in layout.movers]
    rows = [
        object_row(x, y, yaw, thing.seed, thing.look)
        for thing, (x, y, yaw) in zip(things, poses, strict=True)
    ]
    return np.stack(rows)


def moving_solid(layout: Layout, poses: np.ndarray) -> Solid:
    """The movers at these poses."""
    meshes = [
        mover.thing.mesh.moved(pose[0], pose[1], 0.0, pose[2])
        for mover, pose in zip(layout.movers, poses, strict=True)
    ]
    whole, sizes = join(meshes), [len(mesh.materials) for mesh in meshes]
    numbers = len(layout.things) + np.arange(len(meshes), dtype=np.int32)
    return Solid(whole.triangles, whole.materials, np.repeat(numbers, sizes))
