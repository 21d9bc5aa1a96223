"""From predictions and truth, clip by clip, to the numbers of one row of the table.

Sums are exact and kept per image, so that no clip has to be kept. An image is what one camera shows
at the evaluated frame of one clip. Metres, dB, shares.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mim4d.evaluation.colour import NO_COLOUR, ColourCollector, ColourScores
from mim4d.evaluation.truth import FrameTruth
from mim4d.evaluation.view import MAX_M, MIN_M
from mim4d.metrics.distance import (
    DistanceAggregates,
    DistanceErrors,
    aggregate,
    errors_of_sums,
    pixel_errors,
)
from mim4d.metrics.occupancy import TOLERANCES_M, OccupancyAgreement, agreement

Key = TypeVar("Key")

RANGES_M = ((1.0, 5.0), (5.0, 15.0), (15.0, 60.0))
PARTS = ("road", "obstacles", "moving")
"""Parts of the pixels that have their own columns."""


@dataclass(frozen=True)
class DistanceScores:
    """Distance errors of one row, metric or median-scaled.

    Attributes:
        everywhere: All pixels that count.
        road: Over all pixels that show the flat ground; None if there is none.
        obstacles: Over all other pixels that count; None if there is none.
        moving: Over all pixels that show something that moves; None if there is none.
        by_range: Over all pixels whose true distance lies in a range, such as "5-15" metres.
    """

    everywhere: DistanceAggregates
    road: DistanceErrors | None
    obstacles: DistanceErrors | None
    moving: DistanceErrors | None
    by_range: dict[str, DistanceErrors | None]


@dataclass(frozen=True)
class Row:
    """Everything measured of one prediction.

    Attributes:
        metric: Distance errors as they are.
        median_scaled: After every image was scaled by its own median(truth) / median(prediction);
            parts of an image are scaled like the whole.
        colour: Empty where no colour is predicted.
        occupancy: One at each tolerance; empty without a model or LiDAR.
    """

    metric: DistanceScores
    median_scaled: DistanceScores
    colour: ColourScores = NO_COLOUR
    occupancy: tuple[OccupancyAgreement, ...] = ()

    @property
    def errors(self) -> DistanceErrors:
        """The headline: metric errors over all pixels that count."""
        return self.metric.everywhere.over_pixels

    @property
    def abs_rel(self) -> float:
        """AbsRel of the headline."""
        return self.errors.abs_rel

    @property
    def psnr_db(self) -> float | None:
        """Mean over images; None where no colour is predicted."""
        return self.colour.psnr_db

    @property
    def ssim(self) -> float | None:
        """Mean over the images that hold a whole window; None if there is none."""
        return self.colour.ssim

    def to_json(self) -> dict[str, Any]:
        """The headline's errors and the colours by name, and beside them everything else."""
        everything = asdict(self)
        return {**asdict(self.errors), **everything.pop("colour"), **everything}


class RowScores:
    """Collects one row, clip by clip."""

    def __init__(self) -> None:
        self._cameras: list[str] = []
        self._images: dict[bool, list[Tensor]] = {False: [], True: []}
        self._parts: dict[tuple[bool, str], Tensor] = {}
        self._colours: ColourCollector | None = None
        self._beams: dict[float, Tensor] = {}

    def add_distances(
        self, predicted_m: Float[Tensor, "n h w"], truth: FrameTruth, cameras: tuple[str, ...]
    ) -> None:
        """Distances of one clip's images."""
        self._cameras += cameras
        d, valid = truth.distances_m, ~truth.distances_m.isnan()
        for scaled, images in self._images.items():
            errors = pixel_errors(predicted_m, d, valid, MIN_M, MAX_M, scaled)
            images.append(errors.sums())
            for name, subset in _parts(truth):
                sums = errors.sums(subset).sum(dim=0)
                _add(self._parts, (scaled, name), sums)

    def add_colours(self, predicted: Float[Tensor, "n h w 3"], truth: FrameTruth) -> None:
        """Colours of one clip's images."""
        self._colours = self._colours or ColourCollector()
        self._colours.add(predicted, truth)

    def add_beams(self, counts: dict[float, Int64[Tensor, " 5"]]) -> None:
        """What `beam_counts` says of one clip, by tolerance."""
        for tolerance, each in counts.items():
            _add(self._beams, tolerance, each)

    def row(self) -> Row | None:
        """The row; None if no pixel counts."""
        metric, scaled = (self._distances(each) for each in (False, True))
        if metric is None or scaled is None:
            return None
        found = (agreement(self._beams[t], t) for t in TOLERANCES_M if t in self._beams)
        occupancy = tuple(each for each in found if each is not None)
        colour = NO_COLOUR if self._colours is None else self._colours.scores()
        return Row(metric, scaled, colour, occupancy)

    def _distances(self, scaled: bool) -> DistanceScores | None:
        if not self._cameras:
            return None
        everywhere = aggregate(torch.cat(self._images[scaled]), self._cameras)
        if everywhere is None:
            return None
        parts = {name: errors_of_sums(s) for (k, name), s in self._parts.items() if k == scaled}
        own_columns = {name: parts.pop(name) for name in PARTS}
        return DistanceScores(everywhere, **own_columns, by_range=parts)


def _parts(truth: FrameTruth) -> Iterator[tuple[str, Bool[Tensor, "n h w"]]]:
    """Parts of the pixels that are measured on their own, by name."""
    yield "road", truth.road
    yield "obstacles", ~truth.road
    yield "moving", truth.moving
    for low, high in RANGES_M:
        distance = truth.distances_m
        yield f"{low:g}-{high:g}", (distance >= low) & (distance < high)


def _add(totals: dict[Key, Tensor], key: Key, value: Tensor) -> None:
    totals[key] = totals[key] + value if key in totals else value
