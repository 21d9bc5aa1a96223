"""Boxes around vehicles, people and obstacles, as the annotators of a drive would give them.

A box is known while it lies within 60 m of the ego car (in the plane) and a point of the key sweep
lies in it or a pixel of a key image shows the object. Its visibility is the share of the object's
own silhouette, over all key images, that nothing else covers. Boxes are in world axes.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int64

from mim4d.world.kernels.compile import kernel
from mim4d.world.objects.classes import attribute_of
from mim4d.world.sensing.bodies import Bodies

REACH_M = 60.0


@dataclass(frozen=True)
class Box:
    """One annotated object at one time.

    Attributes:
        instance: Its number.
        category: nuScenes category.
        attribute: nuScenes attribute; empty if its category has none.
        centre: x, y, z, metres.
        size_wlh: Width, length, height, metres.
        yaw: Heading, radians.
        num_points: LiDAR points inside.
        visible: Share of its silhouette that shows; 0 where no image has a pixel of it.
    """

    instance: int
    category: str
    attribute: str
    centre: tuple[float, float, float]
    size_wlh: tuple[float, float, float]
    yaw: float
    num_points: int
    visible: float


def within_reach(
    bodies: Bodies, poses: Float[np.ndarray, "k 3"], ego: Float[np.ndarray, "3"]
) -> Bool[np.ndarray, " k"]:
    """Which boxes are near enough to be annotated."""
    offsets = bodies.frames(poses)[:, :2] - ego[:2]
    near: Bool[np.ndarray, " k"] = np.hypot(offsets[:, 0], offsets[:, 1]) < REACH_M
    return near


def annotate(
    bodies: Bodies,
    poses: Float[np.ndarray, "k 3"],
    speeds_mps: Float[np.ndarray, " m"],
    near: Bool[np.ndarray, " k"],
    points: Float[np.ndarray, "p 3"],
    pixels: Int64[np.ndarray, "k 2"],
) -> list[Box]:
    """Boxes at the time of a sample.

    Args:
        bodies: The annotated objects.
        poses: x, y and yaw of each.
        speeds_mps: Of the movers, metres per second.
        near: What `within_reach` says.
        points: What the LiDAR reported, world axes.
        pixels: What `silhouettes` counted, summed over the key images.
    """
    frames = bodies.frames(poses)
    counts = count_points(frames, near, points)
    boxes = []
    for k in np.flatnonzero(near & ((counts > 0) | (pixels[:, 1] > 0))):
        thing, (length, width, height) = bodies.things[k], 2.0 * frames[k, 5:8]
        parked = bool(k < bodies.standing)
        speed = 0.0 if parked else float(speeds_mps[k - bodies.standing])
        boxes.append(
            Box(
                instance=int(k) + 1,
                category=thing.category,
                attribute=attribute_of(thing.category, speed, parked, thing.rider),
                centre=(float(frames[k, 0]), float(frames[k, 1]), float(frames[k, 2])),
                size_wlh=(float(width), float(length), float(height)),
                yaw=float(poses[k, 2]),
                num_points=int(counts[k]),
                visible=float(pixels[k, 1] / max(pixels[k, 0], 1)),
            )
        )
    return boxes


def visibility_level(visible: float) -> str:
    """NuScenes' visibility token: 1 (up to 40 %), 2 (60 %), 3 (80 %), 4."""
    return str(1 + int(np.searchsorted([0.4, 0.6, 0.8], visible, side="right")))


def count_points(
    frames: Float[np.ndarray, "k 8"],
    near: Bool[np.ndarray, " k"],
    points: Float[np.ndarray, "p 3"],
) -> Int64[np.ndarray, " k"]:
    """Points inside each of the near boxes, faces included."""
    return _count_kernel(frames, np.flatnonzero(near), points)


@kernel
@no_type_check
def _count_kernel(frames, wanted, points):
    out = np.zeros(frames.shape[0], np.int64)
    for k in wanted:
        cx, cy, cz, cos, sin, hx, hy, hz = frames[k]
        reach = hx + hy
        for i in range(points.shape[0]):
            dx, dy = points[i, 0] - cx, points[i, 1] - cy
            if abs(dx) > reach or abs(dy) > reach or abs(points[i, 2] - cz) > hz:
                continue
            out[k] += abs(dx * cos + dy * sin) <= hx and abs(dy * cos - dx * sin) <= hy
    return out
