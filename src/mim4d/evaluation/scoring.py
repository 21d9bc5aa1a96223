"""All rows of an evaluation, fed clip by clip: what every model and every baseline says of a frame.

The inputs are unmasked, but for the hidden patches of `masked`. Metres, in images of the lattice.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.baselines import flat_ground
from mim4d.evaluation.beams import count_beams, frame_beams
from mim4d.evaluation.colour import ColourCollector, ColourScores, colour_references
from mim4d.evaluation.depth_probs import head_distances
from mim4d.evaluation.exact_volume import exact_volume
from mim4d.evaluation.flow.rows import FLOW_ROW_NAMES, FlowEvaluation
from mim4d.evaluation.flow.scores import FlowScores
from mim4d.evaluation.masked import MaskedEvaluation, MaskedScoring
from mim4d.evaluation.predict import FrameVolumes, frame_volumes, render_frame
from mim4d.evaluation.scores import Row, RowScores
from mim4d.evaluation.table import REFERENCE_NAMES, ROW_NAMES
from mim4d.evaluation.truth import FrameTruth
from mim4d.evaluation.view import EvaluatedView
from mim4d.metrics.occupancy import Beams
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.rendering.renderer import NeusRenderer


class Scoring:
    """All rows, fed clip by clip.

    Args:
        model: The run's, on its device.
        untrained: The same before its first step; None leaves its rows out.
        constants: Distances that are the same in every clip, by row.
        view: The frame and the rays.
        baselines: Whether all that stands beside the run's own rows is measured.
        fitted: A renderer fitted to exact volumes; None leaves their row out.
    """

    def __init__(
        self,
        model: MaskedVideoModel,
        untrained: MaskedVideoModel | None,
        constants: Mapping[str, Float[Tensor, "n h w"]],
        view: EvaluatedView,
        baselines: bool,
        fitted: NeusRenderer | None = None,
    ) -> None:
        self._model = model
        self._untrained = untrained
        self._constants = constants
        self._view = view
        self._baselines = baselines
        self._fitted = fitted
        self._rows = {name: RowScores() for name in ROW_NAMES}
        self._references = {name: ColourCollector() for name in REFERENCE_NAMES}
        self._alone = replace(view, frame=0)
        self._masked = MaskedScoring(model.masking, self._alone)
        self._flow = {name: FlowScores(view.grid) for name in FLOW_ROW_NAMES}

    def rows(self) -> dict[str, Row]:
        """The rows that were fed, in the order of the table."""
        made = {name: scores.row() for name, scores in self._rows.items()}
        return {name: row for name, row in made.items() if row is not None}

    def references(self) -> dict[str, ColourScores]:
        """Colour of the averaged images; empty without baselines."""
        found = {name: each.scores() for name, each in self._references.items()}
        return found if self._baselines else {}

    def masked(self) -> MaskedEvaluation | None:
        """Hidden patches alone; None where training hides none."""
        return self._masked.result()

    def flow(self, truth: str) -> FlowEvaluation | None:
        """Scene flow of the models; None where there is none, or no point has a known velocity.

        Args:
            truth: Where the true velocities are from.
        """
        made = {name: scores.row() for name, scores in self._flow.items()}
        rows = {name: row for name, row in made.items() if row is not None}
        return FlowEvaluation(rows, truth) if "flow" in rows else None

    @torch.no_grad()
    def add(
        self,
        clip: Clip,
        truth: FrameTruth,
        device: str,
        depths_m: Float[Tensor, "n hp wp"] | None = None,
    ) -> None:
        """Measure everything on one clip.

        Args:
            clip: The clip (b = 1).
            truth: Of the view's frame.
            device: Of the models.
            depths_m: Exact depth of every pixel of the frame's images, for the rows that are
                given it; None leaves them out.
        """
        constants = dict(self._constants)
        if self._baselines:
            constants["flat_ground"] = flat_ground(clip, self._view)
            for name, colours in colour_references(clip, self._view).items():
                self._references[name].add(colours, truth)
        for name, distances in constants.items():
            self._rows[name].add_distances(distances, truth, clip.camera_names)
        beams = None if truth.sweep is None else frame_beams(truth.sweep, clip, self._view)
        if truth.flow is not None:
            self._flow["zero"].add(None, truth.flow)
        clip = clip.to(device)
        frame = replace(clip, key=self._view.frame).key_frame()
        models = {"direct": self._model}
        volumes = frame_volumes(self._model, clip, self._view.frame)
        self._add_flow("flow", volumes, truth)
        shown = {"direct": volumes.direct, "rebuilt": volumes.rebuilt}
        if self._baselines:
            shown |= {"copied": volumes.copied, "averaged": volumes.averaged}
        self._add_rendered(self._model.renderer, shown, frame, truth, beams)
        bins = self._model.encoder.depth_head.bins
        head = head_distances(volumes.depth_probs, bins, frame, self._alone)
        self._rows["depth_head"].add_distances(head, truth, clip.camera_names)
        if self._untrained is not None:
            models["untrained"] = self._untrained
            volumes = frame_volumes(self._untrained, clip, self._view.frame)
            self._add_flow("untrained", volumes, truth)
            shown = {"untrained": volumes.direct, "untrained_rebuilt": volumes.rebuilt}
            self._add_rendered(self._untrained.renderer, shown, frame, truth, beams)
        self._masked.add(models, constants, frame, truth)
        if depths_m is not None:
            told = replace(frame, given_depths=depths_m.to(device)[None, None])
            exact = frame_volumes(self._model, told, 0).direct
            self._add_rendered(self._model.renderer, {"exact_depth": exact}, frame, truth, beams)
            if self._fitted is not None:
                volume = exact_volume(frame, depths_m.to(device), self._view.grid, exact.shape[1])
                self._add_rendered(self._fitted, {"exact_volume": volume}, frame, truth, beams)

    def _add_flow(self, row: str, volumes: FrameVolumes, truth: FrameTruth) -> None:
        if volumes.scene_flow is not None and truth.flow is not None:
            self._flow[row].add(volumes.scene_flow[0], truth.flow)

    def _add_rendered(
        self,
        renderer: NeusRenderer,
        volumes: Mapping[str, Float[Tensor, "1 c z y x"] | None],
        frame: Clip,
        truth: FrameTruth,
        beams: Beams | None,
    ) -> None:
        """Volumes of the evaluated frame, by row, rendered into that frame's cameras."""
        for name, volume in volumes.items():
            if volume is None:
                continue
            rendered = render_frame(renderer, volume, frame, self._alone)
            scores = self._rows[name]
            scores.add_distances(rendered.distances_m, truth, frame.camera_names)
            scores.add_colours(rendered.colours, truth)
            if beams is not None:
                scores.add_beams(count_beams(renderer, volume, beams))
