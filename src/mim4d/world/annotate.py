"""Boxes around vehicles and people, as the annotators of a drive would give them.

A box is known while it is within reach of the ego car and the LiDAR can see something of it.
Visibility is the share of the LiDAR's rays towards the box that get as far as the box. Boxes are in
world axes.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32

from mim4d.world.kernels import kernel
from mim4d.world.layout import Layout
from mim4d.world.site import Thing

REACH_M = 60.0
STILL_SPEED = 0.2  # slower than this counts as standing


@dataclass(frozen=True)
class Box:
    """One annotated object at one time.

    Attributes:
        instance: Index of the object in the scene.
        category: nuScenes category.
        attribute: nuScenes attribute.
        centre: x, y, z, metres.
        size_wlh: Width, length, height, metres.
        yaw: Heading, radians.
        num_points: LiDAR points inside.
        visible: Share of the rays towards the box that reach it.
    """

    instance: int
    category: str
    attribute: str
    centre: Float[np.ndarray, "3"]
    size_wlh: tuple[float, float, float]
    yaw: float
    num_points: int
    visible: float


def annotate(
    layout: Layout,
    time_s: float,
    lidar_origin: Float[np.ndarray, "3"],
    directions: Float32[np.ndarray, "r 3"],
    distance_m: Float32[np.ndarray, " r"],
    points: Float[np.ndarray, "p 3"],
) -> list[Box]:
    """Boxes at a time.

    Args:
        layout: The scene.
        time_s: Time of the sweep.
        lidar_origin: LiDAR's centre, world axes.
        directions: Its rays, world axes.
        distance_m: How far each ray gets.
        points: The points it reported, world axes.
    """
    known = _known(layout, time_s)
    if not known:
        return []
    frames = np.stack([_frame(thing, pose) for _, thing, pose, _ in known])
    counts = _count_kernel(frames, lidar_origin, directions, distance_m, points)
    ego = layout.ego.poses(np.array([time_s]))[0]
    boxes = []
    for (instance, thing, pose, speed), frame, (inside, towards, reaching) in zip(
        known, frames, counts, strict=True
    ):
        near = np.hypot(*(frame[:2] - ego[:2])) < REACH_M
        if near and (inside or reaching):
            half = frame[5:8]
            boxes.append(
                Box(
                    instance,
                    thing.category,
                    _attribute(thing.category, speed, instance < len(layout.things)),
                    frame[:3],
                    (float(2 * half[1]), float(2 * half[0]), float(2 * half[2])),
                    float(pose[2]),
                    int(inside),
                    reaching / towards if towards else 1.0,
                )
            )
    return boxes


def visibility_level(visible: float) -> str:
    """NuScenes' visibility token: 1 (up to 40 %), 2 (60 %), 3 (80 %), 4."""
    return str(1 + int(np.searchsorted([0.4, 0.6, 0.8], visible, side="right")))


def _known(layout: Layout, time_s: float) -> list[tuple[int, Thing, Float[np.ndarray, "3"], float]]:
    """Index, object, pose and speed of everything that carries a category."""
    out = []
    for i, thing in enumerate(layout.things):
        if thing.category:
            out.append((i, thing, np.array([thing.x, thing.y, thing.yaw]), 0.0))
    for i, mover in enumerate(layout.movers):
        around = mover.motion.poses(np.array([time_s, time_s - 0.05, time_s + 0.05]))
        speed = float(np.hypot(*(around[2] - around[1])[:2])) / 0.1
        out.append((len(layout.things) + i, mover.thing, around[0], speed))
    return out


def _attribute(category: str, speed: float, parked: bool) -> str:
    moving = speed > STILL_SPEED
    if category.startswith("human"):
        return "pedestrian.moving" if moving else "pedestrian.standing"
    if moving:
        return "vehicle.moving"
    return "vehicle.parked" if parked else "vehicle.stopped"


def _frame(thing: Thing, pose: Float[np.ndarray, "3"]) -> Float[np.ndarray, "8"]:
    """Centre, cos and sin of the yaw, half extents of an object's box."""
    low, high = thing.mesh.extent
    middle, half = (low + high) / 2, (high - low) / 2
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    x = pose[0] + cos * middle[0] - sin * middle[1]
    y = pose[1] + sin * middle[0] + cos * middle[1]
    return np.array([x, y, middle[2], cos, sin, *half])


@kernel
@no_type_check
def _count_kernel(frames, origin, directions, distance, points):
    """Per box: points inside, rays towards it, rays that reach it."""
    out = np.zeros((frames.shape[0], 3), np.int64)
    for k in range(frames.shape[0]):
        cx, cy, cz, cos, sin, hx, hy, hz = frames[k]
        for i in range(points.shape[0]):
            dx, dy = points[i, 0] - cx, points[i, 1] - cy
            if abs(dx * cos + dy * sin) <= hx and abs(dy * cos - dx * sin) <= hy:
                out[k, 0] += abs(points[i, 2] - cz) <= hz
        ox, oy, oz = origin[0] - cx, origin[1] - cy, origin[2] - cz
        px, py = ox * cos + oy * sin, oy * cos - ox * sin
        radius, apart = hx + hy + hz, np.sqrt(ox * ox + oy * oy + oz * oz)
        for i in range(directions.shape[0]):
            d = directions[i]
            dx, dy, dz = np.float64(d[0]), np.float64(d[1]), np.float64(d[2])
            along = -(ox * dx + oy * dy + oz * dz)
            if along < 0.0 or apart * apart - along * along > radius * radius:
                continue
            vx, vy = dx * cos + dy * sin, dy * cos - dx * sin
            enter, leave = 0.0, 1e9
            for p, v, h in ((px, vx, hx), (py, vy, hy), (oz, dz, hz)):
                inverse = 1.0 / v if abs(v) > 1e-9 else 1e9
                a, b = (-h - p) * inverse, (h - p) * inverse
                enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
            if enter < leave:
                out[k, 1] += 1
                out[k, 2] += distance[i] > enter - 0.05
    return out
