"""What tasks on cells of the ground share: the cells, what stands in them, a head, losses.

Cells span the trunk's grid from bound to bound, whatever its voxels; they are laid out `y x` like
a volume, their centres are metres in the ego frame of the key frame.
"""

import math
from dataclasses import replace

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.data.clip import Clip
from mim4d.geometry.footprints import in_footprints
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.cell_iou import CellTruth
from mim4d.tasks.bev_losses import layer_losses

_START_LOGIT = -2.0
"""Where the head starts: most cells are empty."""

_VEHICLES = ("bicycle", "bus", "car", "construction", "motorcycle", "trailer", "truck")
"""The word after `vehicle.` in the names of nuScenes' categories."""


def is_vehicle(name: str) -> bool:
    """Whether CVT (arXiv 2205.02833) counts a category as one: no police cars, no ambulances."""
    words = name.split(".")
    return words[0] == "vehicle" and len(words) > 1 and words[1] in _VEHICLES


def cell_centres(grid: VoxelGrid, cells_xy: tuple[int, int]) -> Float[Tensor, "y x 2"]:
    """Ground-plane centres of the cells over a grid, ego metres."""
    return replace(grid, shape_xyz=(*cells_xy, 1)).centres_ego[0, ..., :2]


def under_boxes(
    clip: Clip, chosen: Bool[Tensor, "b k"], centres: Float[Tensor, "y x 2"]
) -> Bool[Tensor, "b y x"]:
    """Cells whose centre lies in the footprint of one of the chosen boxes of the key frame."""
    b = clip.batch_size
    boxes = clip.boxes_ref[:, clip.key]
    points = centres.to(boxes).flatten(0, 1).expand(b, -1, -1)
    inside = in_footprints(points, boxes) & chosen.unsqueeze(1)
    return inside.any(dim=-1).unflatten(-1, centres.shape[:2])


def seen_boxes(clip: Clip, min_lidar_points: int, min_visibility: int) -> Bool[Tensor, "b k"]:
    """Boxes of the key frame with so many LiDAR points and such a visibility, or not known ones."""
    points, visibility = clip.box_lidar_points[:, clip.key], clip.box_visibility[:, clip.key]
    enough = (points < 0) | (points >= min_lidar_points)
    return enough & ((visibility == 0) | (visibility >= min_visibility))


def boxes_of(clip: Clip, classes: tuple[int, ...]) -> Bool[Tensor, "b k"]:
    """Boxes of the key frame of these classes (rows of `clip.category_names`)."""
    wanted = clip.box_classes.new_tensor(classes)
    return clip.valid_boxes[:, clip.key] & torch.isin(clip.box_classes[:, clip.key], wanted)


def truth_of_boxes(
    clip: Clip,
    chosen: Bool[Tensor, "b k"],
    seen: Bool[Tensor, "b k"],
    centres: Float[Tensor, "y x 2"],
) -> CellTruth:
    """Cells of the chosen boxes: occupied under one that is seen, ignored under the others."""
    occupied = under_boxes(clip, chosen & seen, centres)
    return CellTruth(occupied, under_boxes(clip, chosen & ~seen, centres) & ~occupied)


class CellHead(nn.Module):
    """Volume to one logit a cell.

    The height is folded into the channels; three 3×3 convolutions, the last on the cells after a
    bilinear step from the grid's voxels, then one logit. Group norms see each clip by itself.

    Args:
        channels: Of the volume.
        layers: Voxels along z.
        cells_xy: Cells along x and y.
        hidden: Channels between the convolutions.
    """

    def __init__(self, channels: int, layers: int, cells_xy: tuple[int, int], hidden: int) -> None:
        super().__init__()
        self.cells_yx = (cells_xy[1], cells_xy[0])
        self.on_grid = nn.Sequential(
            *_convolution(channels * layers, hidden), *_convolution(hidden, hidden)
        )
        self.on_cells = nn.Sequential(*_convolution(hidden, hidden))
        self.logit = nn.Conv2d(hidden, 1, 1)
        assert self.logit.bias is not None
        nn.init.constant_(self.logit.bias, _START_LOGIT)

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> Float[Tensor, "b yc xc"]:
        """Logits of the cells."""
        from_above = self.on_grid(rearrange(volume, "b c z y x -> b (c z) y x"))
        finer = F.interpolate(from_above, self.cells_yx, mode="bilinear", align_corners=False)
        return self.logit(self.on_cells(finer)).squeeze(1)


def _convolution(in_channels: int, out_channels: int) -> list[nn.Module]:
    norm = nn.GroupNorm(math.gcd(out_channels, 8), out_channels)
    return [nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), norm, nn.ReLU()]


def cell_losses(
    logits: Float[Tensor, "b y x"], truth: CellTruth, bce_weight: float, dice_weight: float
) -> dict[str, Tensor]:
    """Binary cross-entropy and dice over the cells that are not ignored; see `layer_losses`."""
    one_layer = logits.unsqueeze(1)
    occupied, counted = truth.occupied.unsqueeze(1), ~truth.ignored.unsqueeze(1)
    bce, dice = layer_losses(one_layer, occupied, counted, "bce", positive_weights=(1.0,))
    return {"loss": bce_weight * bce + dice_weight * dice, "bce": bce, "dice": dice}
