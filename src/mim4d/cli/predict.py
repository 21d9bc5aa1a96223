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
    """Find the boxes of a detector's run: nuScenes' submission file, and pictures."""

    run: PathArgument
    """Run folder of the task detection."""
    data: Path
    """Data set."""
    submission: Path | None = None
    """File to write all samples' boxes to, in the official form."""
    pictures: Path | None = None
    """Folder for pictures of some clips; predicted boxes beside the true ones."""
    clips: int = 4
    """How many clips are drawn, spread over the scenes."""
    min_score: float = 0.3
    """Boxes of a lower score are not drawn; the file has them all."""
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
