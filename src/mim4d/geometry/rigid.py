"""Rigid transforms as 4×4 matrices.

`a_from_b` takes homogeneous column vectors in frame `b` to frame `a`; in a product, adjacent words
cancel: `pixel_from_ref = pixel_from_camera @ camera_from_ref`. Lengths are metres, angles radians.
Compose poses of a log's global frame in float64: its coordinates reach kilometres. Products with
coordinates are written out instead of `@`, which autocast and TF32 would round to bfloat16 or ten
bits (tens of centimetres at 50 m).
"""

import torch
from jaxtyping import Float
from torch import Tensor


def rigid_from_rotation_translation(
    rotation: Float[Tensor, "*b 3 3"], translation: Float[Tensor, "*b 3"]
) -> Float[Tensor, "*b 4 4"]:
    """Stack a rotation and a translation into `[[R, t], [0, 1]]`."""
    top = torch.cat([rotation, translation.unsqueeze(-1)], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def invert_rigid(a_from_b: Float[Tensor, "*b 4 4"]) -> Float[Tensor, "*b 4 4"]:
    """Return `b_from_a` = `[[Rᵀ, −Rᵀt], [0, 1]]`, exact for rigid transforms."""
    rotation = a_from_b[..., :3, :3].transpose(-1, -2)
    translation = -apply_linear(rotation, a_from_b[..., None, :3, 3]).squeeze(-2)
    return rigid_from_rotation_translation(rotation, translation)


def apply_linear(
    matrix: Float[Tensor, "*#b 3 3"], points: Float[Tensor, "*#b p 3"]
) -> Float[Tensor, "*#b p 3"]:
    """Multiply every point by a 3×3 matrix, in full precision whatever autocast says.

    In memory all x of the result come first, then all y, all z: elementwise work then runs along
    the many points, not along three numbers at a time. Reductions over the last axis do not; sum
    its parts instead (`lengths`).
    """
    x, y, z = points.unsqueeze(-3).unbind(-1)  # ... 1 p
    column_x, column_y, column_z = matrix.unsqueeze(-2).unbind(-1)  # ... 3 1
    rows = torch.addcmul(torch.addcmul(x * column_x, y, column_y), z, column_z)
    return rows.transpose(-1, -2)


def lengths(vectors: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
    """Euclidean length of every vector of a few coordinates.

    Many times as fast as torch's norm where the coordinates lie apart in memory. For vectors in
    full precision (squares of 256 overflow half precision) that are no function of weights: at
    zero it has no gradient.
    """
    first, *others = vectors.unbind(-1)
    total = first.square()
    for other in others:
        total = torch.addcmul(total, other, other)
    return total.sqrt()


def transform_points(
    a_from_b: Float[Tensor, "*#b 4 4"], points_b: Float[Tensor, "*#b p 3"]
) -> Float[Tensor, "*#b p 3"]:
    """Express points of frame `b` in frame `a`. Affine matrices are accepted as well.

    Leading axes must match or broadcast as in a matrix product.
    """
    return apply_linear(a_from_b[..., :3, :3], points_b) + a_from_b[..., None, :3, 3]


def compose(
    a_from_b: Float[Tensor, "*#b 4 4"], b_from_c: Float[Tensor, "*#b 4 4"]
) -> Float[Tensor, "*#b 4 4"]:
    """`a_from_c` = `a_from_b @ b_from_c`, in full precision whatever autocast says."""
    return (a_from_b.unsqueeze(-1) * b_from_c.unsqueeze(-3)).sum(dim=-2)


def rotation_from_quaternion(quaternion_wxyz: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation matrix of a unit quaternion in the order w, x, y, z (the order of nuScenes).

    The quaternion is normalised first; whether it was close to unit length is checked on reading.
    """
    w, x, y, z = (quaternion_wxyz / quaternion_wxyz.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - z * w),
        2 * (x * z + y * w),
        2 * (x * y + z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z - x * w),
        2 * (x * z - y * w),
        2 * (y * z + x * w),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_from_rotation(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternion w, x, y, z of a rotation, w not negative.

    Each component's size from the diagonal, its sign from the off-diagonal; the largest one is
    taken as it is and divides the others, so that no half turn loses digits.
    """
    m = rotation
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack([xx + yy + zz, xx - yy - zz, yy - xx - zz, zz - xx - yy], dim=-1) + 1
    a, b, c = m[..., 2, 1], m[..., 0, 2], m[..., 1, 0]
    d, e, f = m[..., 1, 2], m[..., 2, 0], m[..., 0, 1]
    # Four times the products of each component with w, x, y and z.
    rows = torch.stack(
        [
            torch.stack([squares[..., 0], a - d, b - e, c - f], dim=-1),
            torch.stack([a - d, squares[..., 1], c + f, b + e], dim=-1),
            torch.stack([b - e, c + f, squares[..., 2], a + d], dim=-1),
            torch.stack([c - f, b + e, a + d, squares[..., 3]], dim=-1),
        ],
        dim=-2,
    )
    largest = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    found = rows.gather(-2, largest).squeeze(-2)
    found = found / found.norm(dim=-1, keepdim=True)
    return torch.where(found[..., :1] < 0, -found, found)


def rotation_from_yaw(yaw_rad: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation about +z, counter-clockwise seen from above."""
    zero, one = torch.zeros_like(yaw_rad), torch.ones_like(yaw_rad)
    cos, sin = yaw_rad.cos(), yaw_rad.sin()
    rows = [cos, -sin, zero, sin, cos, zero, zero, zero, one]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def yaw_from_rotation(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Heading of the rotated x axis seen from above, counter-clockwise from +x."""
    return torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
