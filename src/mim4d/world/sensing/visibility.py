"""How much of each object the cameras see: pixels of its own silhouette that nothing else covers.

An object's silhouette is found as the image would show it if it were alone: its triangles are
tested at the centres of the very pixels that were rendered, so that a free object's share is one.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt16

from mim4d.world.kernels.compile import kernel
from mim4d.world.sensing.bodies import Bodies

FINEST_COLUMNS = 448  # of wider images, every second, third, ... row and column is looked at


def silhouettes(
    bodies: Bodies,
    poses: Float[np.ndarray, "k 3"],
    wanted: Bool[np.ndarray, " k"],
    pixel_from_world: Float[np.ndarray, "3 4"],
    instances: UInt16[np.ndarray, "h w"],
) -> Int64[np.ndarray, "k 2"]:
    """Pixels of each object's silhouette in one image, and how many of them show the object.

    Args:
        bodies: The annotated objects.
        poses: x, y and yaw of each when the image was taken.
        wanted: Which of them to look at.
        pixel_from_world: Projection: intrinsics times `camera_from_world`.
        instances: Instance that each pixel shows.
    """
    step = max(1, instances.shape[1] // FINEST_COLUMNS)
    return _silhouette_kernel(
        bodies.frames(poses),
        poses,
        np.flatnonzero(wanted),
        bodies.triangles,
        bodies.first,
        np.ascontiguousarray(pixel_from_world),
        np.ascontiguousarray(instances[::step, ::step]),
        step,
    )


@kernel
@no_type_check
def _outside(frame, projection, width, height):
    """Whether an object's bounding sphere lies beside, above, below or behind the image."""
    x, y, z = frame[0], frame[1], frame[2]
    radius = np.sqrt(frame[5] ** 2 + frame[6] ** 2 + frame[7] ** 2)
    a, b, c = projection[0], projection[1], projection[2]
    for k in range(5):
        if k == 0:  # left of the first column: a pixel's u = (a·x) / (c·x) is negative
            plane = -a
        elif k == 1:
            plane = a - width * c
        elif k == 2:
            plane = -b
        elif k == 3:
            plane = b - height * c
        else:
            plane = -c
        scale = np.sqrt(plane[0] ** 2 + plane[1] ** 2 + plane[2] ** 2)
        if plane[0] * x + plane[1] * y + plane[2] * z + plane[3] > radius * scale:
            return True
    return False


@kernel
@no_type_check
def _silhouette_kernel(frames, poses, wanted, triangles, first, projection, instances, step):
    rows, columns = instances.shape
    out = np.zeros((frames.shape[0], 2), np.int64)
    marks = np.full((rows, columns), -1, np.int32)
    corner = np.empty((3, 3))
    for k in wanted:
        if _outside(frames[k], projection, columns * step, rows * step):
            continue
        cos, sin = np.cos(poses[k, 2]), np.sin(poses[k, 2])
        for p in range(first[k], first[k + 1]):
            low_u, high_u, low_v, high_v = 1e9, -1e9, 1e9, -1e9
            behind = 0
            for v in range(3):
                x = poses[k, 0] + cos * triangles[p, v, 0] - sin * triangles[p, v, 1]
                y = poses[k, 1] + sin * triangles[p, v, 0] + cos * triangles[p, v, 1]
                z = triangles[p, v, 2]
                for c in range(3):
                    corner[v, c] = (
                        projection[c, 0] * x
                        + projection[c, 1] * y
                        + projection[c, 2] * z
                        + projection[c, 3]
                    )
                if corner[v, 2] < 0.02:
                    behind += 1
                else:
                    u, w = corner[v, 0] / corner[v, 2], corner[v, 1] / corner[v, 2]
                    low_u, high_u = min(low_u, u), max(high_u, u)
                    low_v, high_v = min(low_v, w), max(high_v, w)
            if behind == 3:
                continue
            if behind > 0:
                low_u, low_v, high_u, high_v = 0.0, 0.0, 1e9, 1e9
            # Pixel (i, j) of the lattice has its centre at (step j + 0.5, step i + 0.5).
            j0 = int(np.ceil((max(low_u, 0.5) - 0.5) / step))
            i0 = int(np.ceil((max(low_v, 0.5) - 0.5) / step))
            j1 = int(np.floor((min(high_u, step * columns) - 0.5) / step))
            i1 = int(np.floor((min(high_v, step * rows) - 0.5) / step))
            j1, i1 = min(j1, columns - 1), min(i1, rows - 1)
            if j1 < j0 or i1 < i0:
                continue
            # A pixel's ray (u, v, 1) is Σ wᵢ cornerᵢ, and hits where no weight is negative.
            ax, ay, az = corner[0]
            bx, by, bz = corner[1]
            cx, cy, cz = corner[2]
            px, py, pz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
            qx, qy, qz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
            rx, ry, rz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            volume = ax * px + ay * py + az * pz
            if volume == 0.0:
                continue
            sign = 1.0 if volume > 0.0 else -1.0
            for i in range(i0, i1 + 1):
                v_px = step * i + 0.5
                for j in range(j0, j1 + 1):
                    if marks[i, j] == k:
                        continue
                    u_px = step * j + 0.5
                    if (
                        sign * (px * u_px + py * v_px + pz) >= 0.0
                        and sign * (qx * u_px + qy * v_px + qz) >= 0.0
                        and sign * (rx * u_px + ry * v_px + rz) >= 0.0
                    ):
                        marks[i, j] = k
                        out[k, 0] += 1
                        out[k, 1] += instances[i, j] == k + 1
    return out
