"""Boxes by a dense head: what it learns and how its answers become boxes."""

from torch import Tensor, nn

from mim4d.config.head import CentreHeadConfig
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.bev_trunk import BevTrunk, cells_around
from mim4d.tasks.detection.centre_decoding import decode_centres
from mim4d.tasks.detection.centre_head import CentreHead, CentreOutput
from mim4d.tasks.detection.centre_losses import boxes_on_cells, centre_losses
from mim4d.tasks.detection.detections import Detections, TrueBoxes
from mim4d.tasks.task import StepShare


class Centres:
    """The dense head's part of the task.

    Args:
        options: Of the head.
        grid: Of the trunk's volumes.
    """

    def __init__(self, options: CentreHeadConfig, grid: VoxelGrid) -> None:
        self._options = options
        self._grid = grid
        self._cells = cells_around(grid, options.cells_xy, options.range_xy_m)
        box, velocity = options.box_weight, options.velocity_weight
        self._weights = dict.fromkeys(("offset", "height", "log_size", "heading"), box) | {
            "velocity": velocity,
            "attribute": options.attribute_weight,
        }

    def build_head(self, channels: int) -> nn.Module:
        """See `CentreHead`."""
        options, trunk = self._options, self._options.trunk
        return CentreHead(
            BevTrunk(
                channels,
                self._grid,
                self._cells,
                width=trunk.width,
                scales=trunk.scales,
                blocks=trunk.blocks,
                cell_blocks=trunk.cell_blocks,
                place_octaves=trunk.place_octaves,
            ),
            options.hidden,
            options.box_channels,
        )

    def losses(
        self, output: CentreOutput, truth: list[TrueBoxes], share: StepShare
    ) -> dict[str, Tensor]:
        """See `centre_losses`: means over clips, which need not know of other processes."""
        on_cells = [boxes_on_cells(boxes, self._cells) for boxes in truth]
        return centre_losses(output, on_cells, self._weights)

    def decode(self, output: CentreOutput) -> list[Detections]:
        """Boxes of each clip."""
        options = self._options
        return [
            decode_centres(output, b, self._cells, options.max_boxes, options.min_score)
            for b in range(len(output.logits))
        ]
