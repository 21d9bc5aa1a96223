"""Boxes as line segments, seen by a camera; and cameras in the order of a panorama.

Enters: boxes and poses in `ref`, metres. Leaves: segments in `pixel` coordinates (the first pixel's
corner is (0, 0)), cut at the near plane and at the border of the image, so that nothing behind the
camera can throw a line across the picture.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip, ego_from_camera
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.rigid import apply_linear

NEAR_M = 0.1

_EDGES: tuple[tuple[int, int], ...] = (
    *((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7)),
    *((0, 4), (1, 5), (2, 6), (3, 7), (4, 7), (5, 6)),
)
"""The twelve edges, then the two diagonals that mark the front face."""


def box_segments(boxes: Float[Tensor, "k 9"]) -> Float[Tensor, "k e 2 3"]:
    """The edges of boxes and a cross on each front face."""
    return box_corners(boxes)[:, torch.tensor(_EDGES)]


def project_segments(
    intrinsics: Float[Tensor, "3 3"],
    segments_camera: Float[Tensor, "m 2 3"],
    size_hw: tuple[int, int],
) -> tuple[Float[Tensor, "m 2 2"], Bool[Tensor, " m"]]:
    """The part of each segment that a camera sees.

    Args:
        intrinsics: Of the image, pixels.
        segments_camera: End points in camera axes, metres.
        size_hw: Rows and columns of the image.

    Returns:
        End points in pixels inside the image, and whether any of the segment is there.
    """
    segments, in_front = _clip_half_space(
        segments_camera.double(), segments_camera[..., 2] - NEAR_M
    )
    pixels = apply_linear(intrinsics.double(), segments)
    pixels = pixels[..., :2] / pixels[..., 2:]
    height, width = size_hw
    visible = in_front
    for axis, limit in ((0, width), (1, height)):
        pixels, above = _clip_half_space(pixels, pixels[..., axis])
        pixels, below = _clip_half_space(pixels, limit - pixels[..., axis])
        visible = visible & above & below
    return pixels.to(segments_camera), visible


def _clip_half_space(
    segments: Float[Tensor, "m 2 c"], inside: Float[Tensor, "m 2"]
) -> tuple[Float[Tensor, "m 2 c"], Bool[Tensor, " m"]]:
    """Keep where a function that is linear along the segment is not negative.

    Args:
        segments: End points.
        inside: The function at the end points.

    Returns:
        The cut segments, and which of them keep anything. Those that do not come back as they
        were or, for use with the next cut, anything finite.
    """
    inside = inside.to(segments)
    start, end = inside.unbind(1)
    step = end - start
    crossing = -start / torch.where(step == 0, torch.ones_like(step), step)
    point = segments[:, 0] + crossing.clamp(0, 1)[:, None] * (segments[:, 1] - segments[:, 0])
    cut = torch.where((inside < 0)[..., None], point[:, None], segments)
    kept = (inside >= 0).any(dim=1)
    # A segment that is wholly outside is moved to a place that is finite in every later step.
    return torch.where(kept[:, None, None], cut, torch.ones_like(cut)), kept


def left_to_right(clip: Clip) -> list[int]:
    """Cameras of a clip by viewing direction, so that neighbours touch as in a panorama.

    It is cut at the rear: front cameras in the middle, one that looks straight back (within 20°)
    last. It runs clockwise; where the pictures of all cameras are mirrored, the other way round.
    """
    yaw = _viewing_yaw(clip)
    mirrored = bool((clip.intrinsics[0, ..., 0, 0] < 0)[clip.image_present[0]].all())
    along = torch.remainder(math.radians(160) + (yaw if mirrored else -yaw), 2 * math.pi)
    return along.argsort(stable=True).tolist()


def front_and_rear(clip: Clip) -> list[list[int]]:
    """Cameras that look ahead, then those that look back, each from the car's left to its right.

    A row without cameras is left out.
    """
    yaw = _viewing_yaw(clip)
    ahead = yaw.abs() < math.radians(95)
    # Behind the car the yaw runs from 90° (left) over 180° to 270° (right).
    order = torch.where(ahead, -yaw, torch.remainder(yaw, 2 * math.pi))
    rows = [
        sorted(row.nonzero().flatten().tolist(), key=lambda n: float(order[n]))
        for row in (ahead, ~ahead)
    ]
    return [row for row in rows if row]


def _viewing_yaw(clip: Clip) -> Float[Tensor, " n"]:
    """Where the cameras' optical axes point, in their own frame's ego axes."""
    axes_ego = ego_from_camera(clip)[0, :, :, :3, 2]  # t n 3
    yaw = torch.atan2(axes_ego[..., 1], axes_ego[..., 0])
    # A camera without an image in one frame has no pose there; any frame that has one will do.
    frame = clip.image_present[0].int().argmax(dim=0)
    return yaw.gather(0, frame[None])[0]
