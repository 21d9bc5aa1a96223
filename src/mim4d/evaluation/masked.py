"""Hidden patches: the method is masked modelling, so what it says behind its masks is measured.

The frame's images are masked as in training, the model sees the rest, and its own volume is
rendered through the pixels of hidden patches alone. Beside it: the untrained model, what each pixel
usually is, and the mean colour of what the image shows.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.colour import ColourCollector, ColourScores, visible_mean
from mim4d.evaluation.depth_probs import head_distances
from mim4d.evaluation.predict import frame_volumes, render_frame
from mim4d.evaluation.scores import Row, RowScores
from mim4d.evaluation.truth import FrameTruth
from mim4d.evaluation.view import EvaluatedView
from mim4d.models.encoder.masking import PatchMasking
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.ray_choice import at_pixels

MASKED_ROWS = ("pixel_mean", "pixel_median", "untrained", "depth_head", "direct")


@dataclass(frozen=True)
class MaskedEvaluation:
    """What was measured on hidden patches alone.

    Attributes:
        ratio: Share of the patches that is hidden.
        rows: By name, as in the main table.
        visible_mean: Colour of those pixels if each image's visible patches are averaged.
    """

    ratio: float
    rows: dict[str, Row]
    visible_mean: ColourScores

    def to_json(self) -> dict[str, Any]:
        """Everything, rows by name."""
        rows = {name: row.to_json() for name, row in self.rows.items()}
        return {**asdict(self), "rows": rows}


class MaskedScoring:
    """Collects hidden patches, clip by clip.

    Args:
        masking: How training masks.
        view: The rays of clips of the evaluated frame alone.
    """

    def __init__(self, masking: PatchMasking, view: EvaluatedView) -> None:
        self._masking = masking
        self._view = view
        self._rows = {name: RowScores() for name in MASKED_ROWS}
        self._visible_mean = ColourCollector()

    def result(self) -> MaskedEvaluation | None:
        """Everything so far; None where nothing was hidden."""
        made = {name: scores.row() for name, scores in self._rows.items()}
        rows = {name: row for name, row in made.items() if row is not None}
        if not rows:
            return None
        return MaskedEvaluation(self._masking.ratio, rows, self._visible_mean.scores())

    def add(
        self,
        models: Mapping[str, MaskedVideoModel],
        constants: Mapping[str, Float[Tensor, "n h w"]],
        frame: Clip,
        truth: FrameTruth,
    ) -> None:
        """Measure one frame.

        Args:
            models: By row, on the device of the clip.
            constants: Distances that do not depend on the images, by row.
            frame: A clip of the evaluated frame alone.
            truth: Of the frame.
        """
        if self._masking.ratio == 0:
            return
        # The same patches of a frame whatever else is evaluated, and by which run.
        seed = zlib.crc32(frame.key_tokens[0].encode())
        generator = torch.Generator().manual_seed(seed)
        visible = self._masking.draw(frame.images.shape, generator)
        hidden = hidden_rays(visible[0, 0], self._masking.patch_px, frame, self._view)
        behind = truth.only(hidden)
        for name, distances in constants.items():
            if name in self._rows:
                self._rows[name].add_distances(distances, behind, frame.camera_names)
        visible = visible.to(frame.images.device)
        seen = visible_mean(frame, self._view, visible[0, 0], self._masking.patch_px)
        self._visible_mean.add(seen.cpu(), behind)
        for name, model in models.items():
            volumes = frame_volumes(model, frame, self._view.frame, visible)
            rendered = render_frame(model.renderer, volumes.direct, frame, self._view, hidden)
            self._rows[name].add_distances(rendered.distances_m, behind, frame.camera_names)
            self._rows[name].add_colours(rendered.colours, behind)
            if name == "direct":
                bins = model.encoder.depth_head.bins
                head = head_distances(volumes.depth_probs, bins, frame, self._view)
                self._rows["depth_head"].add_distances(head, behind, frame.camera_names)


def hidden_rays(
    visible: Bool[Tensor, "n hp wp"], patch_px: int, clip: Clip, view: EvaluatedView
) -> Bool[Tensor, "n h w"]:
    """Rays of the lattice whose pixel lies in a hidden patch; on the CPU."""
    pixels = view.rays_and_pixels(clip)[1][0].unflatten(0, (len(visible), -1)).cpu()
    return ~at_pixels(visible, pixels / patch_px).unflatten(1, view.lattice)
