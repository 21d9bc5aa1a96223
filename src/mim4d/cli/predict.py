"""`mim4d predict`: what a task's run says of scenes, as files for others and as pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.cli.arguments import PathArgument, scene_choice
from mim4d.config import Device

if TYPE_CHECKING:
    from mim4d.evaluation.detection.predict import Detector


@dataclass(frozen=True)
class Predict:
    """What a task's run says of scenes: a detector's submission file; pictures and arrays."""

    run: PathArgument
    """Run folder of a task: detection or bev_segmentation."""
    data: Path
    """Data set."""
    submission: Path | None = None
    """File to write all samples' boxes to, in the official form; of detection alone."""
    pictures: Path | None = None
    """Folder for pictures of some clips, what is predicted beside what is true; of
    bev_segmentation with arrays (.npz), and RUN/predictions by default."""
    clips: int = 4
    """How many clips are drawn, spread over the scenes."""
    min_score: float = 0.3
    """Boxes of a lower score are not drawn; the file has them all. Of detection alone."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""


def predict(options: Predict) -> None:
    """`mim4d predict`."""
    from mim4d.runs.record import read_task_config

    if read_task_config(options.run).task == "bev_segmentation":
        _paint(options)
    else:
        _detect(options)


def _paint(options: Predict) -> None:
    from mim4d.evaluation.painted_clips import paint_clips
    from mim4d.viz.bev_picture import draw_painted

    if options.submission is not None:
        raise ValueError("--submission: there is one of the task detection alone")
    folder = options.pictures or options.run / "predictions"
    for painted in paint_clips(
        options.run,
        options.data,
        clips=options.clips,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
    ):
        print(draw_painted(painted, folder))
        print(painted.save_arrays(folder))


def _detect(options: Predict) -> None:
    from mim4d.evaluation.detection.predict import Detector
    from mim4d.evaluation.detection.write_submission import write_submission

    if options.submission is None and options.pictures is None:
        raise ValueError("`mim4d predict` wants --submission FILE, --pictures FOLDER, or both")
    detector = Detector(
        options.run,
        options.data,
        scene_choice(options.split, options.scenes),
        options.version,
        options.device,
    )
    if options.submission is not None:
        found = ((one.clip.key_tokens[0], one.boxes) for one in detector.look_at_all())
        print(write_submission(options.submission, detector.tokens, found))
    if options.pictures is not None:
        _draw(options, options.pictures, detector)


def _draw(options: Predict, folder: Path, detector: "Detector") -> None:
    from mim4d.evaluation import spread
    from mim4d.viz.detection_picture import draw_detected

    for index in spread(len(detector.dataset), options.clips):
        out = folder / f"clip-{index:05d}.png"
        print(draw_detected(detector.look(index), options.min_score, out))
