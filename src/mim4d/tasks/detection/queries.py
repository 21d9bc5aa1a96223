"""Boxes by queries: what they learn and how their answers become boxes."""

import torch
from torch import Tensor, nn

from mim4d.config.head import QueryHeadConfig
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.detection.rules import CLASSES
from mim4d.tasks.detection.box_code import decode_boxes, encode_boxes, move_boxes
from mim4d.tasks.detection.denoising import Denoising, denoise, num_groups
from mim4d.tasks.detection.detections import (
    Detections,
    TrueBoxes,
    attributes_by_speed,
    best_of_classes,
    require_numbers,
)
from mim4d.tasks.detection.query_decoder import QueryDecoder, QueryOutput
from mim4d.tasks.detection.query_head import LearnedQueries, PlacedQueries, Waiting
from mim4d.tasks.detection.query_losses import (
    CodedBoxes,
    QueryWeights,
    Summed,
    divided,
    matched_sums,
    noisy_sums,
)
from mim4d.tasks.task import StepShare


class Queries:
    """The query heads' part of the task.

    Args:
        options: Of the head.
        grid: Of the trunk's volumes; boxes are coded in its own axes.
    """

    def __init__(self, options: QueryHeadConfig, grid: VoxelGrid) -> None:
        self._options = options
        self._grid = grid
        placed = options.queries == "placed"
        self._groups = options.denoising_groups if placed else 0
        self._weights = QueryWeights(
            options.class_weight,
            options.box_weight,
            options.overlap_weight,
            options.code_weights,
            code_in_matching=placed,
        )

    def build_head(self, channels: int) -> nn.Module:
        """The head that the options name.

        Raises:
            ValueError: If the volume's channels cannot be shared among the attention's heads.
        """
        options = self._options
        if channels % options.heads:
            raise ValueError(
                f"head.heads: {options.heads} heads cannot share the volume's {channels} channels; "
                "choose a divisor, or another --lift.volume-channels"
            )
        placed = options.queries == "placed"
        decoder = QueryDecoder(
            channels,
            len(CLASSES),
            layers=options.layers,
            heads=options.heads,
            hidden=options.hidden,
            dropout=options.dropout,
            overlap=placed,
            lower_m=self._grid.lower_m,
            upper_m=self._grid.upper_m,
        )
        make = PlacedQueries if placed else LearnedQueries
        return make(options.num_queries, channels, decoder)

    def losses(
        self, output: Waiting, truth: list[TrueBoxes], share: StepShare
    ) -> dict[str, Tensor]:
        """Losses of every layer, summed: `loss`; those of the last one beside it."""
        coded = [self._coded(boxes) for boxes in truth]
        noisy = self._noisy(coded)
        found = output.find(None if noisy is None else noisy.queries)
        sums = matched_sums(found.matched, coded, self._weights)
        if noisy is not None and found.noisy is not None:
            sums |= noisy_sums(found.noisy, noisy.pairs, self._weights)
        elif self._groups:
            # Steps and processes have the same names, so that they can be averaged.
            zero = found.matched.logits.new_zeros(())
            sums |= {_noisy_name(name): Summed(zero, zero) for name in sums}
        losses = divided(sums, share)
        last = {name: value for name, value in losses.items() if "." not in name}
        return {"loss": torch.stack(list(losses.values())).sum(), **last}

    def decode(self, output: Waiting) -> list[Detections]:
        """Boxes of each clip, from the last layer.

        Raises:
            ValueError: If one is NaN.
        """
        found = output.find(None).matched
        require_numbers(found.logits[-1])
        require_numbers(found.code[-1])
        return [self._detections(found, b) for b in range(found.logits.shape[1])]

    def _coded(self, boxes: TrueBoxes) -> CodedBoxes:
        """Boxes to be found: somebody could see them, and their centre lies in the grid's sides."""
        grid = self._grid
        moved = move_boxes(grid.box_from_ego.to(boxes.boxes_ref), boxes.boxes_ref)
        lower, upper = (moved.new_tensor(side[:2]) for side in (grid.lower_m, grid.upper_m))
        inside = ((moved[:, :2] > lower) & (moved[:, :2] < upper)).all(dim=1) & boxes.learned
        return CodedBoxes(boxes.classes[inside], encode_boxes(moved[inside]))

    def _noisy(self, truth: list[CodedBoxes]) -> Denoising | None:
        groups = num_groups(truth, self._options.num_queries, self._groups)
        if groups == 0:
            return None
        code = torch.cat([boxes.code for boxes in truth])
        lower, upper = (code.new_tensor(s) for s in (self._grid.lower_m, self._grid.upper_m))
        return denoise(
            truth,
            groups,
            2 * torch.rand(groups * len(code), 3, device=code.device) - 1,
            num_queries=self._options.num_queries,
            num_classes=len(CLASSES),
            lower_m=lower,
            span_m=upper - lower,
        )

    def _detections(self, found: QueryOutput, b: int) -> Detections:
        options = self._options
        scores, query, classes = best_of_classes(found.logits[-1, b], options.max_boxes)
        boxes = decode_boxes(found.code[-1, b, query])
        limits = boxes.new_tensor(options.centre_limits_m)
        kept = (boxes[:, :3].abs() <= limits).all(dim=1)
        boxes, classes, scores = boxes[kept], classes[kept], scores[kept]
        ego_from_grid = boxes.new_tensor(self._grid.ego_from_box)
        boxes = move_boxes(ego_from_grid, boxes)
        attributes = attributes_by_speed(classes, boxes[:, 7:])
        return Detections(boxes, classes, scores, attributes)


def _noisy_name(name: str) -> str:
    """As `noisy_sums` calls what `matched_sums` calls so."""
    layer, dot, kind = name.rpartition(".")
    return f"{layer}{dot}noisy_{kind}"
