"""Boxes found in the images themselves: a heat map of each class, 1 where a box's centre appears.

Learned beside the boxes in space (perspective supervision: BEVFormer v2, arXiv 2211.10439). It
tells the image encoder what things look like without a detour through depth and volume; what finds
them in the images is not asked for after training.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mim4d.data.clip import Clip
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.metrics.detection.rules import CLASSES
from mim4d.tasks.detection.detections import TrueBoxes
from mim4d.tasks.detection.peaks import bumps, class_peaks
from mim4d.tasks.focal import heat_map_focal

_HIDDEN = 32
_NEAR_M = 0.1
"""Corners nearer to the camera's plane, or behind it, are taken to lie so far from it."""
_START_LOGIT = -math.log(99)
"""Each class starts at a probability of 1 %."""


def image_head(channels: int) -> nn.Module:
    """Image features `m c hf wf` to a logit of each class; norms see each image by itself."""
    last = nn.Conv2d(_HIDDEN, len(CLASSES), 1)
    assert last.bias is not None
    nn.init.constant_(last.bias, _START_LOGIT)
    return nn.Sequential(
        nn.Conv2d(channels, _HIDDEN, 3, padding=1, bias=False),
        nn.GroupNorm(_HIDDEN // 8, _HIDDEN),
        nn.ReLU(),
        last,
    )


def image_loss(
    logits: Float[Tensor, "b n c hf wf"], clip: Clip, truth: Sequence[TrueBoxes]
) -> Tensor:
    """Focal loss of the heat maps, by the number of their peaks in a clip; mean over clips.

    Args:
        logits: Of the key frame's images.
        clip: The batch.
        truth: Boxes of each of its clips.
    """
    losses = []
    for b, boxes in enumerate(truth):
        heat, counted = image_peaks(boxes, clip, b, (logits.shape[-2], logits.shape[-1]))
        loss = heat_map_focal(logits[b], heat, counted)
        losses.append(loss.sum() / (heat == 1).sum().clamp(min=1))
    return torch.stack(losses).mean()


def image_peaks(
    truth: TrueBoxes, clip: Clip, b: int, shape_yx: tuple[int, int]
) -> tuple[Float[Tensor, "n c hf wf"], Bool[Tensor, "n c hf wf"]]:
    """Heat maps of each class in each image of a clip's key frame, and where they count.

    A bump is as wide and high as the part of the box that is in the image. Boxes whose centre is
    outside of the picture are left out, but what hides a box is not known and no reason to.

    Args:
        truth: Boxes of the clip.
        clip: The batch.
        b: Number of the clip in it.
        shape_yx: Rows and columns of the maps.
    """
    present = clip.image_present[b, clip.key]
    centre, width, seen = _in_images(truth.boxes_ref, clip, b, shape_yx)
    kept = seen & present[:, None]
    heat = bumps(centre, width, shape_yx) * kept[..., None, None]
    peaks, counted = class_peaks(heat, truth.classes, truth.learned)
    return peaks, counted & present[:, None, None, None]


def _in_images(
    boxes_ref: Float[Tensor, "k 9"], clip: Clip, b: int, shape_yx: tuple[int, int]
) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k 2"], Bool[Tensor, "n k"]]:
    """Where centres appear and how large boxes do, in cells; and which centres are seen at all."""
    points = torch.cat([boxes_ref[:, None, :3], box_corners(boxes_ref)], dim=1)
    camera_from_ref = invert_rigid(clip.ref_from_camera[b, clip.key])
    points = transform_points(camera_from_ref, points.flatten(0, 1))
    points = torch.cat([points[..., :2], points[..., 2:].clamp(min=_NEAR_M)], dim=-1)
    pixels, depth = project(clip.intrinsics[b, clip.key], points)
    pixels, depth = (each.unflatten(1, (-1, 9)) for each in (pixels, depth))
    size_xy = clip.image_sizes[b, clip.key].flip(-1)[:, None].to(pixels)
    centre, corners = pixels[:, :, 0], pixels[:, :, 1:]
    seen = (depth[..., 0] > _NEAR_M) & ((centre >= 0) & (centre < size_xy)).all(dim=-1)
    corners = corners.clamp(min=torch.zeros_like(size_xy)[:, None], max=size_xy[:, None])
    image_yx = clip.images.shape[-2:]
    scale = pixels.new_tensor([shape_yx[1] / image_yx[1], shape_yx[0] / image_yx[0]])
    return centre * scale, (corners.amax(dim=2) - corners.amin(dim=2)) * scale, seen
