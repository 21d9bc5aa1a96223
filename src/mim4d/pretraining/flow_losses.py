"""Losses of the scene flow itself: what it should be like where nothing else says what it is.

Velocities enter in m/s along the dropped frames' ego axes, with clips and dropped frames joined;
each loss is the mean over the clips of the batch. That the flow explains the sources is taught by
rendering their mean with motion removed (`objective.py`), which needs no label.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.footprints import in_footprints
from mim4d.geometry.rigid import transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining.losses import masked_mean

_TINY_M_S = 1e-3


def flow_smoothness(
    scene_flow: Float[Tensor, "m 3 z y x"], voxel_size_m: Sequence[float]
) -> Float[Tensor, ""]:
    """Mean length of the change between voxels that are neighbours along x or y, per metre: 1/s.

    The length itself, not its square: objects may differ sharply from what surrounds them.
    """
    along_x = (scene_flow[..., 1:] - scene_flow[..., :-1]) / voxel_size_m[0]
    along_y = (scene_flow[..., 1:, :] - scene_flow[..., :-1, :]) / voxel_size_m[1]
    return sum((_length(change).mean() for change in (along_x, along_y)), torch.zeros(())) / 2


def flow_speed(scene_flow: Float[Tensor, "m 3 z y x"]) -> Float[Tensor, ""]:
    """Mean speed, m/s: the prior that the world stands."""
    return _length(scene_flow).mean()


def flow_error(
    scene_flow: Float[Tensor, "m 3 z y x"],
    labels: Float[Tensor, "m 3 z y x"],
    valid: Bool[Tensor, "m z y x"],
    batch_size: int,
) -> Float[Tensor, ""]:
    """Mean length of the error at voxels with a label, m/s.

    Those that move weigh as much in all as those that stand.
    """
    moves = labels.norm(dim=1) > 0
    error = _length(scene_flow - labels)
    halves = (
        masked_mean(_by_clip(error, batch_size), _by_clip(part, batch_size))
        for part in (valid & moves, valid & ~moves)
    )
    return sum(halves, torch.zeros(())) / 2


def _by_clip(values: Tensor, batch_size: int) -> Tensor:
    return values.unflatten(0, (batch_size, -1))


def _length(vectors: Float[Tensor, "m 3 z y x"]) -> Float[Tensor, "m z y x"]:
    return (vectors.square().sum(dim=1) + _TINY_M_S**2).sqrt() - _TINY_M_S


def box_velocities(
    clip: Clip, dropped: Int[Tensor, "b k"], grid: VoxelGrid
) -> tuple[Float[Tensor, "m 3 z y x"], Bool[Tensor, "m z y x"]]:
    """Velocity of the annotated box that each voxel's column lies in, zero in none.

    Args:
        clip: The batch.
        dropped: The frames of each clip whose boxes are meant.
        grid: The voxels.

    Returns:
        m/s along the dropped frames' ego axes, and the voxels with a label: not those in a box
        whose velocity nobody knows. Clips and dropped frames are joined.
    """
    b = torch.arange(clip.batch_size, device=dropped.device)[:, None]
    ref_from_ego = clip.ref_from_ego[b, dropped].flatten(0, 1)
    boxes = clip.boxes_ref[b, dropped].flatten(0, 1)
    exists = clip.valid_boxes[b, dropped].flatten(0, 1)
    known = exists & clip.valid_velocities[b, dropped].flatten(0, 1)
    centres = grid.centres_ego.to(boxes.device).flatten(0, 2).expand(len(boxes), -1, -1)
    inside = in_footprints(transform_points(ref_from_ego, centres)[..., :2], boxes)
    inside &= exists.unsqueeze(1)
    along_ref = torch.cat([boxes[..., 7:], torch.zeros_like(boxes[..., :1])], dim=-1)
    velocities = along_ref @ ref_from_ego[:, :3, :3]  # rows times R is Rᵀ on columns
    share = (inside & known.unsqueeze(1)).float()
    share = share / share.sum(dim=-1, keepdim=True).clamp(min=1)
    labels = (share @ velocities).transpose(1, 2).unflatten(-1, grid.shape_zyx)
    unknown = (inside & ~known.unsqueeze(1)).any(dim=-1)
    return labels, ~unknown.unflatten(-1, grid.shape_zyx)
