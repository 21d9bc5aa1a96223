"""Layers of the ground seen from above: vehicles, pedestrians, and what the map says.

The protocol is that of CVT (arXiv 2205.02833) and Lift-Splat-Shoot (arXiv 2008.05711), on any grid
of cells inside the volume. Objects that hardly anybody could have seen are ignored in the losses,
as PointBeV (arXiv 2312.00703) does, and reported both ways. Centres and offsets of objects may be
learned beside (`centre_weight`, `offset_weight`): they teach, and are no part of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.config.head import HeadConfig, SegmentationHeadConfig
from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.layer_iou import LayerIou, LayerTruth
from mim4d.tasks.bev_layers import boxes_of_layer, centre_targets, layer_truth
from mim4d.tasks.bev_losses import centre_loss, layer_losses, offset_loss
from mim4d.tasks.bev_trunk import BevTrunk, cells_around
from mim4d.tasks.cells import seen_boxes
from mim4d.tasks.task import require_head

_START_LOGIT = -2.0
"""Where layers and heat-maps start: most cells are empty."""


@dataclass(frozen=True)
class BevOutput:
    """What the head says.

    Attributes:
        layers: Logits.
        centres: Logits of the heat-maps of the layers of objects; None where they are not learned.
        offsets: From each cell to its object's centre (x, y), cells; None likewise.
    """

    layers: Float[Tensor, "b l y x"]
    centres: Float[Tensor, "b o y x"] | None
    offsets: Float[Tensor, "b o 2 y x"] | None


@dataclass(frozen=True)
class BevTargets(LayerTruth):
    """What is true, and what teaches beside; the heat-maps are of the layers of objects.

    Attributes:
        centres: Heat-maps; None where they are not learned.
        offsets: See `BevOutput`.
    """

    centres: Float[Tensor, "b o y x"] | None
    offsets: Float[Tensor, "b o 2 y x"] | None


class SegmentationHead(nn.Module):
    """The trunk seen from above, two 3×3 convolutions, one logit a layer.

    Args:
        trunk: Volume to features of the cells.
        layers: How many.
        hidden: Channels of the convolutions.
        objects: How many layers have centres and offsets; 0: none are learned.
    """

    def __init__(self, trunk: BevTrunk, layers: int, hidden: int, objects: int = 0) -> None:
        super().__init__()
        self.objects = objects
        self.trunk = trunk
        channels = (trunk.out_channels, hidden, hidden)
        self.convolutions = nn.Sequential(
            *(
                part
                for a, b in pairwise(channels)
                for part in (
                    nn.Conv2d(a, b, 3, padding=1, bias=False),
                    nn.GroupNorm(hidden // 8, hidden),
                    nn.ReLU(),
                )
            )
        )
        self.outputs = nn.Conv2d(hidden, layers + 3 * objects, 1)
        self.split = (layers, objects, 2 * objects)
        assert self.outputs.bias is not None
        nn.init.zeros_(self.outputs.bias)
        nn.init.constant_(self.outputs.bias[: layers + objects], _START_LOGIT)

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> BevOutput:
        """Everything that is learned, of each cell."""
        outputs = self.outputs(self.convolutions(self.trunk(volume)))
        layers, centres, offsets = outputs.split(self.split, dim=1)
        if self.objects == 0:
            return BevOutput(layers, None, None)
        return BevOutput(layers, centres, offsets.unflatten(1, (self.objects, 2)))


class BevSegmentation:
    """Which layers cover which cells of the ground.

    Args:
        options: Of the head, the losses, and what is ignored.
        grid: Of the trunk's volumes.

    Raises:
        ValueError: If the head is of another kind, or the cells reach beyond the volume or do not
            lie in ego axes.
    """

    def __init__(self, options: HeadConfig, grid: VoxelGrid) -> None:
        options = require_head("bev_segmentation", options, SegmentationHeadConfig)
        self.options = options
        self.grid = grid
        if options.range_xy_m is None and not grid.is_in_ego_axes:
            raise ValueError(
                "head.range_xy_m: expected a length and a width, metres, where the volume does "
                "not lie in the car's own axes"
            )
        self.cells = cells_around(grid, options.cells_xy, options.range_xy_m)

    @property
    def _has_aids(self) -> bool:
        options = self.options
        return bool(options.objects) and options.centre_weight + options.offset_weight > 0

    def build_head(self, channels: int) -> nn.Module:
        """BEV trunk and convolutions."""
        options, trunk = self.options, self.options.trunk
        return SegmentationHead(
            BevTrunk(
                channels,
                self.grid,
                self.cells,
                trunk.width,
                trunk.scales,
                trunk.blocks,
                trunk.cell_blocks,
                trunk.place_octaves,
            ),
            len(options.layers),
            options.hidden,
            len(options.objects) if self._has_aids else 0,
        )

    def targets(self, clip: Clip) -> BevTargets:
        """Layers of the key frame.

        Raises:
            DataError: If a layer is wanted for which the data have no boxes or no map.
        """
        options = self.options
        truth = layer_truth(
            clip, options.layers, self.cells, options.min_visibility, options.line_width_m
        )
        if not self._has_aids:
            return BevTargets(truth.occupied, truth.ignored, None, None)
        seen = seen_boxes(clip, 0, options.min_visibility)
        centres, offsets = zip(
            *(
                centre_targets(
                    clip.boxes_ref[:, clip.key],
                    boxes_of_layer(clip, layer, options.layers) & seen,
                    self.cells,
                )
                for layer in options.objects
            ),
            strict=True,
        )
        return BevTargets(
            truth.occupied, truth.ignored, torch.stack(centres, 1), torch.stack(offsets, 1)
        )

    def losses(self, output: BevOutput, targets: BevTargets) -> dict[str, Tensor]:
        """Of each cell and of each layer, and of the aids where they are learned."""
        options, counted = self.options, ~targets.ignored
        cell, dice = layer_losses(
            output.layers,
            targets.occupied,
            counted,
            options.loss,
            options.weights,
            options.focal_gamma,
        )
        losses = {options.loss: cell, "dice": dice}
        loss = options.cell_weight * cell + options.dice_weight * dice
        if output.centres is not None and output.offsets is not None:
            assert targets.centres is not None, "made where the head has them"
            assert targets.offsets is not None, "made where the head has them"
            rows = [options.layers.index(layer) for layer in options.objects]
            shown = counted[:, rows]
            losses["centre"] = centre_loss(output.centres, targets.centres, shown)
            losses["offset"] = offset_loss(
                output.offsets, targets.offsets, targets.occupied[:, rows] & shown
            )
            loss = loss + options.centre_weight * losses["centre"]
            loss = loss + options.offset_weight * losses["offset"]
        return {"loss": loss, **losses}

    def decode(self, output: BevOutput) -> Float[Tensor, "b l y x"]:
        """Probability of each layer in each cell."""
        return output.layers.sigmoid()

    def usual(self, truths: Sequence[BevTargets]) -> Float[Tensor, "1 l y x"]:
        """Among the clips in which a cell counts: in how many the layer covers it."""
        counted = torch.cat([~truth.ignored for truth in truths])
        occupied = torch.cat([truth.occupied for truth in truths]) & counted
        return (occupied.sum(dim=0) / counted.sum(dim=0).clamp(min=1))[None]

    def build_metric(self) -> LayerIou:
        """IoU of each layer."""
        centres = self.cells.centres_ego[0, ..., :2]
        return LayerIou(self.options.layers, self.options.objects, centres)
