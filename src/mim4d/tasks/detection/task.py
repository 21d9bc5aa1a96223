"""The task `detection`: boxes of nuScenes' ten classes, by a dense head or by queries."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from mim4d.config.head import CentreHeadConfig, HeadConfig, QueryHeadConfig
from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.detection.centres import Centres
from mim4d.tasks.detection.detections import Detections, TrueBoxes
from mim4d.tasks.detection.image_peaks import image_head, image_loss
from mim4d.tasks.detection.metric import DetectionMetric
from mim4d.tasks.detection.queries import Queries
from mim4d.tasks.detection.true_boxes import true_boxes
from mim4d.tasks.detection.usual_boxes import usual_boxes
from mim4d.tasks.task import StepShare


class _Way(Protocol):
    """One of the ways to boxes."""

    def build_head(self, channels: int) -> nn.Module: ...

    def losses(
        self, output: Any, truth: list[TrueBoxes], share: StepShare
    ) -> dict[str, Tensor]: ...

    def decode(self, output: Any) -> list[Detections]: ...


class Detection:
    """Boxes of ten classes at the key frame.

    Args:
        options: Of the head.
        grid: Of the trunk's volumes.

    Raises:
        ValueError: If the head is none of boxes.
    """

    def __init__(self, options: HeadConfig, grid: VoxelGrid) -> None:
        match options:
            case CentreHeadConfig():
                self._way: _Way = Centres(options, grid)
                self._min_visibility = options.min_visibility
            case QueryHeadConfig():
                self._way = Queries(options, grid)
                self._min_visibility = 1
            case _:
                raise ValueError(
                    f"the task detection needs a head of kind centres or queries, not "
                    f"{options.kind!r}"
                )
        self.options = options

    def build_head(self, channels: int) -> nn.Module:
        """The head of the kind that the options name."""
        return self._way.build_head(channels)

    def targets(self, clip: Clip) -> list[TrueBoxes]:
        """True boxes of each clip.

        Raises:
            DataError: If the data have none of the classes.
        """
        options = self.options
        return true_boxes(clip, options.class_names, options.min_lidar_points, self._min_visibility)

    def losses(self, output: Any, targets: list[TrueBoxes]) -> dict[str, Tensor]:
        """Losses of the head; `loss` is minimised."""
        return self.losses_of_share(output, targets, StepShare())

    def losses_of_share(
        self, output: Any, targets: list[TrueBoxes], share: StepShare
    ) -> dict[str, Tensor]:
        """Of a share of a step: by queries, all boxes of the step have the same weight."""
        return self._way.losses(output, targets, share)

    def build_image_head(self, channels: int) -> nn.Module:
        """Where in the images the centres of boxes appear."""
        return image_head(channels)

    def image_loss(self, output: Tensor, clip: Clip, targets: list[TrueBoxes]) -> Tensor:
        """Focal loss of the heat maps in the images; mean over clips."""
        return image_loss(output.unflatten(0, (clip.batch_size, -1)), clip, targets)

    def decode(self, output: Any) -> list[Detections]:
        """Boxes of each clip."""
        return self._way.decode(output)

    def usual(self, truths: Sequence[list[TrueBoxes]]) -> list[Detections]:
        """Boxes that come back, the most usual first."""
        return [usual_boxes([truth for (truth,) in truths])]

    def build_metric(self) -> DetectionMetric:
        """MAP, errors and NDS; see `DetectionMetric` for what differs from the official path."""
        return DetectionMetric()
