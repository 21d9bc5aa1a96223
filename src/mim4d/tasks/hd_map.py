"""HD map: dividers, pedestrian crossings and boundaries around the car as lines.

The truth is the vector map that comes with the clip, inside a rectangle of `ref`. Scores are both
published habits (`maptr`, `streammapnet`), beside their ceiling: the truth itself, drawn with as
many points and lines as the head has. Beware of splits that overlap in place (`mim4d split --geo`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mim4d.config.head import HdMapHeadConfig, HeadConfig
from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.line_distance import MAPTR, LineRule, pair_distances, streammapnet
from mim4d.metrics.map_ap import MapAp, MapLines
from mim4d.tasks.bev_trunk import cells_around
from mim4d.tasks.map_head import DrawnMap, MapHead, MapHeadSizes, build_map_head
from mim4d.tasks.map_losses import LineWeights, cell_loss, line_losses
from mim4d.tasks.map_targets import CLASSES, MapTruth, map_truth
from mim4d.tasks.task import number_of_token, require_head
from mim4d.tasks.usual import usual_places

_SAME_LINE = LineRule("same", (1.5,), 20)
"""Lines so near to each other, as the score has it, are the same where the usual is asked for."""


class HdMap:
    """The lines of the map.

    Args:
        options: Of the head and the losses.
        grid: Of the trunk's volumes.

    Raises:
        ValueError: If the head is of another kind, or the map reaches beyond the volume.
    """

    def __init__(self, options: HeadConfig, grid: VoxelGrid) -> None:
        options = require_head("hd_map", options, HdMapHeadConfig)
        self.options = options
        self.grid = grid
        self.cells = cells_around(grid, options.cells_xy, options.range_xy_m)
        self.weights = LineWeights(
            options.class_weight, options.points_weight, options.direction_weight
        )

    def build_head(self, channels: int) -> MapHead:
        """A trunk seen from above, and a decoder of queries."""
        o, trunk = self.options, self.options.trunk
        sizes = MapHeadSizes(
            o.lines, o.one_to_many, o.points, o.layers, o.heads, o.places, len(CLASSES)
        )
        return build_map_head(
            channels,
            self.grid,
            self.cells,
            sizes,
            width=trunk.width,
            scales=trunk.scales,
            blocks=trunk.blocks,
            cell_blocks=trunk.cell_blocks,
            place_octaves=trunk.place_octaves,
        )

    def targets(self, clip: Clip) -> MapTruth:
        """Lines and cells of the map of each clip.

        Raises:
            DataError: If the clip has no map.
        """
        return map_truth(clip, self.cells, self.options.points, self.options.boundary)

    def losses(self, output: DrawnMap, targets: MapTruth) -> dict[str, Tensor]:
        """Of lines, summed over the decoder's layers, and of cells."""
        return self.losses_at_step(output, targets, self.options.warmup_steps)

    def losses_at_step(self, output: DrawnMap, targets: MapTruth, step: int) -> dict[str, Tensor]:
        """In the warm-up, cells alone are learned; the lines' losses are then 0."""
        options = self.options
        cells = options.segmentation_weight * cell_loss(output.cells, targets.cells)
        if step < options.warmup_steps and options.segmentation_weight > 0:
            # Every weight keeps a gradient, as training in several processes wants it.
            untaught = 0 * (output.points.sum() + output.logits.abs().sum())
            lines = dict.fromkeys(("classes", "points", "direction"), untaught)
        else:
            lines = self._line_losses(output, targets)
        return {"loss": cells + sum(lines.values()), "cells": cells, **lines}

    def _line_losses(self, output: DrawnMap, targets: MapTruth) -> dict[str, Tensor]:
        options, num_lines = self.options, output.num_lines
        lines = self._losses_of(output.logits, output.points, targets, slice(num_lines), 1)
        if output.logits.shape[2] == num_lines:
            return lines
        further = self._losses_of(
            output.logits, output.points, targets, slice(num_lines, None), options.repeats
        )
        weight = options.one_to_many_weight
        return {name: lines[name] + weight * further[name] for name in lines}

    def _losses_of(
        self, logits: Tensor, points: Tensor, targets: MapTruth, chosen: slice, repeats: int
    ) -> dict[str, Tensor]:
        """Sums over layers, means over clips, of some of the lines."""
        sums: dict[str, Tensor] = {}
        clips = len(targets.orders)
        for j in range(len(logits)):
            for i, (truth, orders) in enumerate(zip(targets.lines, targets.orders, strict=True)):
                classes = truth.classes.to(logits.device).repeat(repeats)
                orders = orders.repeat(repeats, 1, 1, 1)
                layer = logits[j, i, chosen], points[j, i, chosen]
                for name, value in line_losses(*layer, classes, orders, self.weights).items():
                    sums[name] = sums.get(name, logits.new_zeros(())) + value / clips
        return sums

    def decode(self, output: DrawnMap) -> tuple[MapLines, ...]:
        """Lines of each clip, metres in `ref`; each of its likeliest class, with its score."""
        lower = output.points.new_tensor(self.cells.lower_m[:2])
        upper = output.points.new_tensor(self.cells.upper_m[:2])
        points = lower + output.points[-1, :, : output.num_lines] * (upper - lower)
        scores, classes = output.logits[-1, :, : output.num_lines].sigmoid().max(dim=-1)
        return tuple(
            MapLines(tuple(lines.unbind(0)), kinds, sure)
            for lines, kinds, sure in zip(points, classes, scores, strict=True)
        )

    def usual(self, truths: Sequence[MapTruth]) -> tuple[MapLines]:
        """Lines that come back: as many as the head has, scored by the share of clips with one."""
        found: list[tuple[Tensor, int, float]] = []
        for kind in range(len(CLASSES)):
            of_clips = [truth.lines[0].of_class(kind)[0] for truth in truths]
            lines = [line for each in of_clips for line in each]
            clips = torch.tensor([i for i, each in enumerate(of_clips) for _ in each]).long()
            away = torch.from_numpy(pair_distances(lines, lines, _SAME_LINE))
            rows, shares = usual_places(away, clips, len(truths), _SAME_LINE.thresholds_m[0])
            for row, share in zip(rows.tolist(), shares.tolist(), strict=True):
                found.append((torch.from_numpy(lines[row]).float(), kind, share))
        found = sorted(found, key=lambda each: -each[2])[: self.options.lines]
        return (
            MapLines(
                tuple(line for line, _, _ in found),
                torch.tensor([kind for _, kind, _ in found]).long(),
                torch.tensor([share for _, _, share in found]),
            ),
        )

    def build_metric(self) -> "MapScores":
        """Both habits, and their ceilings."""
        return MapScores(self)

    def ceiling(self, truth: MapTruth) -> tuple[MapLines, ...]:
        """The truth as this head could draw it at best: so many points a line, so many lines."""
        lower, upper = (torch.tensor(side[:2]) for side in (self.cells.lower_m, self.cells.upper_m))
        answers = []
        for lines, orders in zip(truth.lines, truth.orders, strict=True):
            drawn = lower + orders[: self.options.lines, 0].cpu() * (upper - lower)
            count = len(drawn)
            answers.append(
                MapLines(tuple(drawn.unbind(0)), lines.classes[:count], lines.scores[:count])
            )
        return tuple(answers)


class MapScores(MapAp):
    """`MapAp` of a task's answers, with a row for the ceiling of each habit.

    Args:
        task: Whose answers are scored.
    """

    def __init__(self, task: HdMap) -> None:
        rules = (MAPTR, streammapnet(task.options.range_xy_m))
        super().__init__(CLASSES, rules)
        self.task = task
        self.best = MapAp(CLASSES, rules)

    def update(self, answers: Sequence[MapLines], targets: MapTruth) -> None:  # type: ignore[override]
        """Score the answers of a batch, and what could be had at best."""
        numbers = [number_of_token(token) for token in targets.tokens]
        super().update(answers, targets.lines, numbers)
        self.best.update(self.task.ceiling(targets), targets.lines, numbers)

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.best.reset()

    def compute(self) -> dict[str, dict[str, float | int | None]]:
        """The rows of `MapAp`, and the ceilings."""
        best = self.best.compute()
        ceilings = {f"{rule.name}, ceiling": best[rule.name] for rule in self.rules}
        return {**super().compute(), **ceilings}
