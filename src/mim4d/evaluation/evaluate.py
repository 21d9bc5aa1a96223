"""Evaluate a run: every clip is read once, seen by every model, measured and forgotten.

The inputs are unmasked, one frame is rebuilt without its own images, and the frame's direct and
rebuilt volumes are rendered along a regular lattice of rays through all cameras and asked along
LiDAR beams. Baselines that need no learning stand beside. Metres.
"""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import Device, PretrainConfig
from mim4d.data.clip import Clip
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.baselines import flat_ground, usual_distances
from mim4d.evaluation.beams import count_beams, frame_beams
from mim4d.evaluation.flow.rows import FLOW_ROW_NAMES, FlowEvaluation
from mim4d.evaluation.flow.scores import FlowScores
from mim4d.evaluation.held_out import clips_of_targets
from mim4d.evaluation.predict import frame_volumes, render_frame
from mim4d.evaluation.scores import Row, RowScores
from mim4d.evaluation.table import ROW_NAMES, Evaluation
from mim4d.evaluation.truth import FrameTruth, TruthReader
from mim4d.evaluation.view import EvaluatedView, spread
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.runs.loading import load_model, untrained_model
from mim4d.runs.record import was_trained_on
from mim4d.training.devices import choose_accelerator

logger = logging.getLogger(__name__)
_HELD_OUT = SceneChoice("val")


def evaluate_run(
    run: Path,
    data: Path,
    *,
    stride: int = 4,
    max_clips: int | None = None,
    targets: Collection[str] | None = None,
    scenes: SceneChoice = _HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
    baselines: bool = True,
    save: bool = True,
) -> Evaluation:
    """Evaluate a run and write RUN/evaluation.json.

    Args:
        run: Run folder.
        data: Data set.
        stride: Image pixels per evaluated pixel, in both directions.
        max_clips: At most so many clips, spread evenly.
        targets: Tokens of the samples whose keyframes are to be evaluated, instead of `max_clips`.
        scenes: Scenes that count; by default the held-out ones, or all if the data set names none.
        version: Version folder of the data set.
        device: Where to compute.
        baselines: Measure what needs no training as well.
        save: Write the file.

    Raises:
        ValueError: For anything wrong with run or data, or if no pixel has a truth that counts.
    """
    if stride < 1 or (max_clips is not None and max_clips < 1):
        raise ValueError(f"--stride {stride} and --clips {max_clips}: expected at least 1")
    accelerator = choose_accelerator(device)
    model, config = load_model(run)
    view = EvaluatedView.of(config, stride)
    dataset = build_dataset(config, data, scenes, version, lidar_may_lack=True)
    reader = TruthReader(dataset, view, with_flow=config.flow.enabled)
    models, constants = {("direct", "rebuilt"): model.to(accelerator)}, {}
    if baselines:
        models |= _untrained(config, accelerator)
        training = TruthReader(
            build_dataset(config, data, "train", version, lidar_may_lack=True), view
        )
        constants = usual_distances(training)
    scoring = Scoring(models, constants, view, baselines)
    if targets is None:
        indices = spread(len(reader.dataset), max_clips)
    else:
        indices = clips_of_targets(reader.dataset, view.frame, targets)
    for index in indices:
        clip = reader.dataset[index]
        scoring.add(clip, reader.read(index, clip), accelerator)
    rows = scoring.rows()
    if not rows:
        raise ValueError("no pixel of the evaluated clips has a known distance inside the grid")
    names = sorted({reader.dataset.scene_name(i) for i in indices})
    held_out = not was_trained_on(run, reader.dataset.tables, names)
    flow = scoring.flow(reader.moving_name)
    if model.scene_flow is not None and flow is None:
        logger.warning("%s: no true velocity is known in any evaluated frame", data)
    evaluation = Evaluation(
        rows, reader.name, names, len(indices), held_out, reader.moving_name, flow
    )
    if save:
        evaluation.save(run / "evaluation.json")
    return evaluation


def _untrained(config: PretrainConfig, accelerator: str) -> dict[tuple[str, str], MaskedVideoModel]:
    """The model before its first step, by rows; none, and that said, if its weights are gone."""
    try:
        model = untrained_model(config)
    except (FileNotFoundError, ImportError) as error:
        logger.warning("no rows of the untrained model: %s", error)
        return {}
    return {("untrained", "untrained_rebuilt"): model.to(accelerator)}


class Scoring:
    """All rows, fed clip by clip.

    Args:
        models: On their device, by the names of the rows of their direct and rebuilt volumes.
        constants: Distances that are the same in every clip, by row.
        view: The frame and the rays.
        ground: Whether flat ground is a row.
    """

    def __init__(
        self,
        models: Mapping[tuple[str, str], MaskedVideoModel],
        constants: Mapping[str, Float[Tensor, "n h w"]],
        view: EvaluatedView,
        ground: bool,
    ) -> None:
        self._models = models
        self._constants = constants
        self._view = view
        self._ground = ground
        self._rows = {name: RowScores() for name in ROW_NAMES}
        self._flow = {name: FlowScores(view.grid) for name in FLOW_ROW_NAMES}

    def rows(self) -> dict[str, Row]:
        """The rows that were fed, in the order of the table."""
        made = {name: scores.row() for name, scores in self._rows.items()}
        return {name: row for name, row in made.items() if row is not None}

    def flow(self, truth: str) -> FlowEvaluation | None:
        """Scene flow of the models; None where there is none, or no point has a known velocity.

        Args:
            truth: Where the true velocities are from.
        """
        made = {name: scores.row() for name, scores in self._flow.items()}
        rows = {name: row for name, row in made.items() if row is not None}
        return FlowEvaluation(rows, truth) if "flow" in rows else None

    def add(self, clip: Clip, truth: FrameTruth, device: str) -> None:
        """Measure everything on one clip."""
        fixed = dict(self._constants)
        if self._ground:
            fixed["flat_ground"] = flat_ground(clip, self._view)
        for name, distances in fixed.items():
            self._rows[name].add_distances(distances, truth, clip.camera_names)
        beams = None if truth.sweep is None else frame_beams(truth.sweep, clip, self._view)
        if truth.flow is not None:
            self._flow["zero"].add(None, truth.flow)
        clip = clip.to(device)
        for names, model in self._models.items():
            volumes = frame_volumes(model, clip, self._view.frame)
            if volumes.scene_flow is not None and truth.flow is not None:
                row = "flow" if "rebuilt" in names else "untrained"
                self._flow[row].add(volumes.scene_flow[0], truth.flow)
            shown = dict(zip(names, (volumes.direct, volumes.rebuilt), strict=True))
            if self._ground and "rebuilt" in shown:
                shown |= {"copied": volumes.copied, "averaged": volumes.averaged}
            for name, volume in shown.items():
                if volume is None:
                    continue
                rendered = render_frame(model, volume, clip, self._view)
                scores = self._rows[name]
                scores.add_distances(rendered.distances_m, truth, clip.camera_names)
                scores.add_colours(rendered.colours, truth)
                if beams is not None:
                    scores.add_beams(count_beams(model, volume, beams))
