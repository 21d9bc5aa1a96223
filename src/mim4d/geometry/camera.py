"""Pinhole cameras: projection, and intrinsics under resize, crop and pad.

Camera axes: x right, y down, z along the optical axis, metres. Pixel axes: u right, v down; the
first pixel's *corner* is (0, 0) and its centre (0.5, 0.5), so resizing by s multiplies fx, fy, cx
and cy by s and nothing else. `depth` is z in the camera frame; `distance` is the length along the
ray.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.rigid import apply_linear


def project(
    intrinsics: Float[Tensor, "*#b 3 3"], points_camera: Float[Tensor, "*#b p 3"]
) -> tuple[Float[Tensor, "*#b p 2"], Float[Tensor, "*#b p"]]:
    """Project points in camera axes to pixels.

    Returns:
        Pixel coordinates and depth (z, metres). Where depth is not positive the pixel has no
        meaning: it is finite, and the caller must test the depth.
    """
    homogeneous = apply_linear(intrinsics, points_camera)
    depth = homogeneous[..., 2]
    safe = torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)
    return homogeneous[..., :2] / safe.unsqueeze(-1), depth


def unproject(
    intrinsics: Float[Tensor, "*#b 3 3"],
    pixels: Float[Tensor, "*#b p 2"],
    depth: Float[Tensor, "*#b p"],
) -> Float[Tensor, "*#b p 3"]:
    """Points in camera axes at the given depth (z) behind given pixels; inverse of `project`."""
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    directions = apply_linear(torch.linalg.inv(intrinsics), homogeneous)
    return directions * depth.unsqueeze(-1)


def resize_intrinsics(
    intrinsics: Float[Tensor, "*b 3 3"], scale_x: float, scale_y: float
) -> Float[Tensor, "*b 3 3"]:
    """Intrinsics of the image resized by the factors `scale_x`, `scale_y` (new size / old size)."""
    scale = intrinsics.new_tensor([scale_x, scale_y, 1.0])
    return intrinsics * scale.unsqueeze(-1)


def crop_intrinsics(
    intrinsics: Float[Tensor, "*b 3 3"], left_px: float, top_px: float
) -> Float[Tensor, "*b 3 3"]:
    """Intrinsics after removing `left_px` columns and `top_px` rows.

    Negative numbers are padding on the left or the top; padding on the right or at the bottom
    leaves the intrinsics as they are.
    """
    shift = torch.zeros_like(intrinsics)
    shift[..., 0, 2] = left_px
    shift[..., 1, 2] = top_px
    return intrinsics - shift
