"""`mim4d predict`: what a run says of images, as pictures and as files for other programs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument, scene_choice
from mim4d.cli.console import counting
from mim4d.cli.predict_folder import folder_as_data_set, is_rig_folder, predict_folder
from mim4d.config import Device

if TYPE_CHECKING:
    from mim4d.evaluation.asked_clips import Asked
    from mim4d.evaluation.detection.predict import Detector
    from mim4d.progress import Report


@dataclass(frozen=True)
class Predict:
    """Predict distances and surfaces, boxes, map lines, voxels or layers of the ground.

    Takes a folder of images with cameras.yaml. The run of a task takes a data set, too.
    """

    run: PathArgument
    """Run folder of a pre-training, or of a task."""
    data: PathArgument
    """Folder with cameras.yaml and images by camera (CAM_FRONT.jpg, or CAM_FRONT/TIME.jpg); with
    poses.csv it is a drive, whose clips have all frames. For the run of a task also a data set."""
    out: Path | None = None
    """Folder for pictures, arrays and points; by default RUN/predictions."""
    clips: int = 4
    """Draw at most this many clips, spread over the scenes or the folder."""
    device: Device = "auto"
    """Where to compute."""
    stride: int = 2
    """Image pixels per rendered pixel. Pre-trainings only."""
    submission: Path | None = None
    """File for the boxes of all samples, in the official form; pictures are then drawn only with
    --out. Detection only."""
    min_score: float = 0.3
    """Boxes of a lower score are not drawn; the file has them all. Detection only."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one. Tasks only."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line. Tasks only."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several. Tasks only."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, clips=self.clips, stride=self.stride)
        config = at_once.run_folder(self.run)
        if (task := getattr(config, "task", None)) not in (None, *DRAWS):
            raise ValueError(
                f"{self.run}: nothing draws the task {task}; `mim4d predict` knows "
                f"{', '.join(DRAWS)}"
            )
        if self.submission is not None and task != "detection":
            raise ValueError("--submission: only the task detection writes one")
        at_once.existing(self.data)
        if is_rig_folder(self.data):
            if self.submission is not None:
                raise ValueError("--submission: needs a data set, whose samples the file names")
        elif task is not None:
            at_once.data_set(self.data, self.version, scene_choice(self.split, self.scenes))
        else:
            raise ValueError(
                f"{self.data}: no cameras.yaml here or in a folder below. With a pre-training, "
                "`mim4d predict` takes a folder of images with one (`mim4d import rig --template "
                "DIR` writes an example); `mim4d render` draws clips of a data set"
            )
        at_once.output_file(self.submission, "--submission")
        at_once.device(self.device)
        if self.submission is None or self.out is not None:
            at_once.output_folder(self.folder, "--out")
            at_once.drawing()

    @property
    def folder(self) -> Path:
        """Where pictures go."""
        return self.out or self.run / "predictions"


def predict(options: Predict) -> None:
    """`mim4d predict`."""
    from mim4d.runs.record import read_task_config, run_kind

    if run_kind(options.run) == "pretraining":
        _without_a_data_set(options)
        return
    draw = DRAWS[read_task_config(options.run).task]
    if not is_rig_folder(options.data):
        draw(options)
        return
    options = replace(options, out=options.folder)
    by_samples = read_task_config(options.run).clip.frame_interval_s is None
    with folder_as_data_set(options.data, keyframes_only=by_samples) as (data, _):
        draw(replace(options, data=data, scenes=(), version=None), bare=True)


def _without_a_data_set(options: Predict) -> None:
    asked = (options.clips, options.stride, options.device)
    with counting("predict", "clip") as progress:
        paths = predict_folder(options.run, options.data, options.folder, *asked, progress)
    _print(paths)


def _paint(options: Predict, bare: bool = False) -> None:
    from mim4d.evaluation.painted_clips import paint_clips
    from mim4d.viz.bev_picture import draw_painted

    paths = []
    with counting("predict", "clip") as progress:
        for painted in paint_clips(options.run, options.data, **_asked(options, bare, progress)):
            paths += [draw_painted(painted, options.folder), painted.save_arrays(options.folder)]
    _print(paths)


def _draw_lines(options: Predict, bare: bool = False) -> None:
    from mim4d.evaluation.map_views import map_views
    from mim4d.viz.map_lines import draw_maps

    with counting("predict", "clip") as progress:
        views = map_views(options.run, options.data, **_asked(options, bare, progress))
        paths = [
            draw_maps(view).save(options.folder / f"map_{number:02d}.png")
            for number, view in enumerate(views)
        ]
    _print(paths)


def _draw_slices(options: Predict, bare: bool = False) -> None:
    from mim4d.evaluation.occupancy_views import occupancy_views
    from mim4d.viz.occupancy_cameras import draw_cameras
    from mim4d.viz.occupancy_slices import draw_slices

    paths = []
    with counting("predict", "clip") as progress:
        views = occupancy_views(options.run, options.data, **_asked(options, bare, progress))
        for number, view in enumerate(views):
            name = f"occupancy_{number:02d}"
            paths.append(draw_slices(view).save(options.folder / f"{name}.png"))
            paths.append(draw_cameras(view).save(options.folder / f"{name}_cameras.png"))
    _print(paths)


def _asked(options: Predict, bare: bool, progress: "Report") -> "Asked":
    """About which clips a run is asked, and how."""
    return {
        "clips": options.clips,
        "scenes": scene_choice(options.split, options.scenes),
        "version": options.version,
        "device": options.device,
        "bare": bare,
        "progress": progress,
    }


def _detect(options: Predict, bare: bool = False) -> None:
    from mim4d.evaluation.detection.predict import Detector
    from mim4d.evaluation.detection.write_submission import write_submission

    detector = Detector(
        options.run,
        options.data,
        scene_choice(options.split, options.scenes),
        options.version,
        options.device,
        bare=bare,
    )
    if options.submission is not None:
        with counting("predict", "clip") as progress:
            seen = detector.look_at_all(progress)
            found = ((one.clip.key_tokens[0], one.boxes) for one in seen)
            path = write_submission(options.submission, detector.tokens, found)
        print(path)
    if options.submission is None or options.out is not None:
        _draw(options, detector)


def _draw(options: Predict, detector: "Detector") -> None:
    from mim4d.evaluation import spread
    from mim4d.viz.detection_picture import draw_detected

    indices = spread(len(detector.dataset), options.clips)
    with counting("draw", "clip") as progress:
        paths = [
            draw_detected(detected, options.min_score, options.folder / f"clip-{index:05d}.png")
            for index, detected in zip(indices, detector.look_at(indices, progress), strict=True)
        ]
    _print(paths)


def _print(paths: list[Path]) -> None:
    for path in paths:
        print(path)


DRAWS = {
    "bev_segmentation": _paint,
    "detection": _detect,
    "hd_map": _draw_lines,
    "occupancy": _draw_slices,
}
"""What predicts and draws each task; others are measured only."""
