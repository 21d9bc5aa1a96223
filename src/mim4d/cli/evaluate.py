"""`mim4d evaluate`: a run, or a file of predictions, on held-out scenes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mim4d.cli import at_once
from mim4d.cli.arguments import scene_choice
from mim4d.cli.console import counting
from mim4d.config import Device
from mim4d.runs.record import read_record
from mim4d.runs.run_files import best_checkpoint

if TYPE_CHECKING:
    from mim4d.evaluation import Evaluation
    from mim4d.evaluation.detection.evaluation import DetectionEvaluation
    from mim4d.evaluation.detection.predicted_file import PredictedFile
    from mim4d.evaluation.task import TaskEvaluation

_PICTURES, _MIN_SCORE = 4, 0.3
"""Of a file of detections: samples that are drawn, and the least score of a box that is."""


@dataclass(frozen=True)
class Evaluate:
    """Measure a run on held-out scenes: its distances beside baselines, or its task.

    With --predictions in place of a run: score detections in nuScenes' submission form, or maps in
    MapTR's or StreamMapNet's form.
    """

    data: Path
    """Data set."""
    run: Annotated[Path | None, tyro.conf.Positional] = None
    """Run folder."""
    predictions: Path | None = None
    """Submission file of any detector, scored by class, distance and visibility; or predicted maps
    of any method, scored by both published definitions."""
    class_table: Path | None = None
    """With --predictions: JSON file that says which of nuScenes' ten classes other names are, as in
    {"REGULAR_VEHICLE": "car", "SIGN": null}."""
    out: Path | None = None
    """With --predictions: folder for evaluation.json, and for detections also curves and pictures;
    by default results_scores beside results.json."""
    stride: int = 4
    """Spacing of evaluated pixels, in image pixels, in both directions. Tasks do not use it."""
    clips: int | None = None
    """Evaluate at most this many clips, spread over the scenes."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    ceilings: bool = False
    """Also measure what is possible, one to five minutes more; only where distances are known
    exactly. Of a pre-training: a renderer fitted to true volumes. Of a task: the run itself, told
    the true depth, and a head fitted to voxels that hold a surface."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    device: Device = "auto"
    """Where to compute."""
    json: Path | None = None
    """Also write all numbers to this file. RUN/evaluation.json has them in any case (with --clips N
    of a detector: evaluation_N_clips.json)."""
    best: bool = False
    """Measure checkpoints/best.ckpt, which has the lowest validation loss, in place of the newest.
    The numbers go to RUN/evaluation_best.json."""
    allow_training_scenes: bool = False
    """Evaluate a task also on scenes whose labels it was trained on."""

    def check(self) -> None:
        """What is known at once."""
        if (self.run is None) == (self.predictions is None):
            raise ValueError("`mim4d evaluate` needs either a run folder or --predictions FILE")
        at_once.at_least(1, stride=self.stride, clips=self.clips)
        at_once.existing(self.predictions, "--predictions")
        at_once.existing(self.class_table, "--class-table")
        at_once.output_file(self.json, "--json")
        at_once.output_folder(self.out, "--out")
        if self.run is not None:
            at_once.run_folder(self.run)
            at_once.output_folder(self.run)
            read_record(self.run)  # without it nobody knows which scenes it was trained on
            if self.best:
                at_once.existing(best_checkpoint(self.run), "--best")
        scenes = scene_choice(self.split, self.scenes)
        at_once.data_set(self.data, self.version, scenes)
        at_once.device(self.device)


def evaluate(options: Evaluate) -> None:
    """`mim4d evaluate`."""
    if options.run is not None:
        _evaluate_run(options, options.run)
    elif options.predictions is not None:
        _evaluate_predictions(options, options.predictions)


def _evaluate_predictions(options: Evaluate, file: Path) -> None:
    from mim4d.evaluation.map_predictions import is_map_predictions

    if is_map_predictions(file):
        _evaluate_map_predictions(options, file)
    else:
        _evaluate_detections(options, file)


def _evaluate_map_predictions(options: Evaluate, file: Path) -> None:
    from mim4d.evaluation.map_predictions import evaluate_map_predictions

    evaluation = evaluate_map_predictions(
        file,
        options.data,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
    )
    print(evaluation.table())
    given = None if options.out is None else options.out / "evaluation.json"
    for path in filter(None, (given, options.json)):
        evaluation.save(path)
        print(path)


def _evaluate_detections(options: Evaluate, file: Path) -> None:
    from mim4d.evaluation.detection.predicted_file import open_predictions
    from mim4d.evaluation.detection.submission import read_class_table

    out = options.out or file.with_name(f"{file.stem}_scores")
    at_once.output_folder(out, "" if options.out is None else "--out")
    predicted = open_predictions(
        file,
        options.data,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        table=read_class_table(options.class_table),
    )
    evaluation = predicted.judge()
    print(evaluation.table())
    for path in filter(None, (out / "evaluation.json", options.json)):
        evaluation.save(path)
        print(path)
    _draw_curves(evaluation, out / "curves.png")
    _draw_samples(predicted, out)


def _draw_samples(predicted: "PredictedFile", out: Path) -> None:
    """The numbers are there already: they do without pictures."""
    from mim4d.errors import DataError
    from mim4d.viz.detection_picture import draw_detected

    try:
        for detected in predicted.clips(_PICTURES):
            token = detected.clip.key_tokens[0]
            print(draw_detected(detected, _MIN_SCORE, out / f"sample-{token}.png"))
    except (ImportError, DataError) as error:
        print(f"no pictures: {error}")


def _evaluate_run(options: Evaluate, run: Path) -> None:
    from mim4d.runs.record import read_task_config, run_kind

    # A folder that is no run is refused where a run is read, after the options.
    is_task = (run / "config.json").is_file() and run_kind(run) == "task"
    if is_task and read_task_config(run).task == "detection":
        _evaluate_detector(options, run)
        return
    evaluation = _evaluate_task(options, run) if is_task else _evaluate(options, run)
    print(evaluation.table())
    if options.json is not None:
        evaluation.save(options.json)
    print(f"\nall numbers: {run / ('evaluation_best.json' if options.best else 'evaluation.json')}")


def _evaluate_detector(options: Evaluate, run: Path) -> None:
    from mim4d.evaluation.detection.predict import Detector, evaluate_detector

    scenes = scene_choice(options.split, options.scenes)
    detector = Detector(run, options.data, scenes, options.version, options.device, options.best)
    with counting("evaluate", "clip") as progress:
        evaluation = evaluate_detector(
            detector,
            str(run),
            max_clips=options.clips,
            allow_training_scenes=options.allow_training_scenes,
            ceilings=options.ceilings,
            progress=progress,
        )
    print(evaluation.table())
    whole = evaluation.num_samples == len(detector.samples)
    part = "_best" if options.best else ""
    part += "" if whole else f"_{evaluation.num_samples}_clips"
    for path in filter(None, (run / f"evaluation{part}.json", options.json)):
        evaluation.save(path)
        print(path)
    _draw_curves(evaluation, run / f"detection_curves{part}.png")


def _draw_curves(evaluation: "DetectionEvaluation", out: Path) -> None:
    """The numbers are there already: they do without what draws."""
    from mim4d.viz.detection_curves import draw_detection_curves

    try:
        print(draw_detection_curves(evaluation, out))
    except ImportError as error:
        print(f"no curves: {error}")


def _evaluate_task(options: Evaluate, run: Path) -> "TaskEvaluation":
    from mim4d.evaluation.task import evaluate_task

    with counting("evaluate", "clip") as progress:
        return evaluate_task(
            run,
            options.data,
            max_clips=options.clips,
            scenes=scene_choice(options.split, options.scenes),
            version=options.version,
            device=options.device,
            allow_training_scenes=options.allow_training_scenes,
            ceilings=options.ceilings,
            best=options.best,
            progress=progress,
        )


def _evaluate(options: Evaluate, run: Path) -> "Evaluation":
    from mim4d.evaluation import evaluate_run

    with counting("evaluate", "clip") as progress:
        return evaluate_run(
            run,
            options.data,
            stride=options.stride,
            max_clips=options.clips,
            scenes=scene_choice(options.split, options.scenes),
            version=options.version,
            device=options.device,
            ceilings=options.ceilings,
            best=options.best,
            progress=progress,
        )
