"""Evaluate a run: every clip is read once, seen by every model, measured and forgotten.

The inputs are unmasked, one frame is rebuilt without its own images, and the frame's direct and
rebuilt volumes are rendered along a regular lattice of rays through all cameras and asked along
LiDAR beams. Baselines that need no learning stand beside. Metres.
"""

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import Device, PretrainConfig, TrunkConfig
from mim4d.data.splits import HELD_OUT, TRAINING, SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import has_truth
from mim4d.errors import DataError
from mim4d.evaluation.baselines import usual_distances
from mim4d.evaluation.exact_volume import fit_renderer
from mim4d.evaluation.held_out import clips_of_targets
from mim4d.evaluation.scoring import Scoring
from mim4d.evaluation.table import Evaluation
from mim4d.evaluation.truth import TruthReader
from mim4d.evaluation.view import EvaluatedView, spread
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.progress import Report, counted, silent
from mim4d.rendering.renderer import NeusRenderer
from mim4d.runs.loading import load_model, untrained_model
from mim4d.runs.record import was_trained_on
from mim4d.training.devices import choose_accelerator

logger = logging.getLogger(__name__)
FIT_STRIDE = 4
"""Image pixels per ray that a renderer may be fitted to, in both directions."""


def evaluate_run(
    run: Path,
    data: Path,
    *,
    stride: int = 4,
    max_clips: int | None = None,
    targets: Collection[str] | None = None,
    scenes: SceneChoice = HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
    baselines: bool = True,
    ceilings: bool = False,
    save: bool = True,
    best: bool = False,
    progress: Report = silent,
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
        ceilings: Fit a renderer to exact volumes of training clips and measure that, too, which
            takes a minute or two; only with exact distances.
        save: Write the file.
        best: Take the checkpoint with the least validation loss; its numbers go to a file of their
            own, evaluation_best.json.
        progress: Told how many clips are done, of how many.

    Raises:
        ValueError: For anything wrong with run or data, or if no pixel has a truth that counts.
    """
    if stride < 1 or (max_clips is not None and max_clips < 1):
        raise ValueError(f"--stride {stride} and --clips {max_clips}: expected at least 1")
    accelerator = choose_accelerator(device)
    model, config = load_model(run, best=best)
    view = EvaluatedView.of(config, stride)
    dataset = build_dataset(config, data, scenes, version, judged=True)
    reader = TruthReader(dataset, view, with_flow=config.flow.enabled)
    untrained = _untrained(config, accelerator) if baselines else None
    fitted = _fitted(config, data, version, accelerator) if ceilings else None
    constants = _usual(config, data, version, view) if baselines else {}
    scoring = Scoring(model.to(accelerator), untrained, constants, view, baselines, fitted)
    if targets is None:
        indices = spread(len(reader.dataset), max_clips)
    else:
        indices = clips_of_targets(reader.dataset, view.frame, targets)
    for index in counted(indices, progress):
        clip = reader.dataset[index]
        depths = reader.depths(index, clip) if baselines or ceilings else None
        scoring.add(clip, reader.read(index, clip), accelerator, depths)
    rows = scoring.rows()
    if not rows:
        raise ValueError("no pixel of the evaluated clips has a known distance inside the grid")
    names = sorted({reader.dataset.scene_name(i) for i in indices})
    held_out = not was_trained_on(run, reader.dataset.tables, names)
    flow = scoring.flow(reader.moving_name)
    if model.scene_flow is not None and flow is None:
        logger.warning("%s: no true velocity is known in any evaluated frame", data)
    evaluation = Evaluation(
        rows=rows,
        truth=reader.name,
        scenes=names,
        num_clips=len(indices),
        held_out=held_out,
        moving_by=reader.moving_name,
        flow=flow,
        colour_references=scoring.references(),
        masked=scoring.masked(),
    )
    if save:
        evaluation.save(run / ("evaluation_best.json" if best else "evaluation.json"))
    return evaluation


def _usual(
    config: PretrainConfig, data: Path, version: str | None, view: EvaluatedView
) -> dict[str, Tensor]:
    """What is usual in the training scenes; nothing, and that said, if the data set names none."""
    tables = NuscenesTables.open(data, version)
    if not has_truth(tables.root):
        return {}
    try:
        TRAINING.scenes(tables.root, tables.version, tables.scene_names)
    except DataError as error:
        logger.warning("no rows of the mean and median distance of training scenes: %s", error)
        return {}
    return usual_distances(_training_frames(config, data, version, view))


def _training_frames(
    config: PretrainConfig, data: Path, version: str | None, view: EvaluatedView
) -> TruthReader:
    """Single frames of the training scenes: what is usual needs no neighbours, nor their files."""
    alone = replace(config.clip, frames=1, key=0, frame_interval_s=None)
    trunk = TrunkConfig(preset=config.preset, clip=alone)
    dataset = build_dataset(trunk, data, "train", version, judged=True)
    return TruthReader(dataset, replace(view, frame=0))


def _fitted(
    config: PretrainConfig, data: Path, version: str | None, accelerator: str
) -> NeusRenderer:
    view = EvaluatedView.of(config, min(FIT_STRIDE, config.clip.image_height))
    training = _training_frames(config, data, version, view)
    if not has_truth(training.dataset.tables.root):
        raise ValueError(f"--ceilings: {data} has no exact distances to make volumes of")
    return fit_renderer(config, training, accelerator)


def _untrained(config: PretrainConfig, accelerator: str) -> MaskedVideoModel | None:
    """The model before its first step; None, and that said, if its weights are gone."""
    try:
        return untrained_model(config).to(accelerator)
    except (FileNotFoundError, ImportError) as error:
        logger.warning("no rows of the untrained model: %s", error)
        return None
