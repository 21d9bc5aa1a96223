"""Commands that look at a data set, or the machine: check, doctor, split, view, gallery."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mim4d.cli import at_once
from mim4d.cli.arguments import Drawn, PathArgument, scene_choice
from mim4d.cli.console import counting
from mim4d.config import AugmentConfig


@dataclass(frozen=True)
class Check:
    """Check a whole data set before a long run: tables, files, poses, calibration, clocks.

    Exit status: 0 nothing worse than remarks, 1 warnings, 2 errors.
    """

    data: PathArgument
    """Data set in the nuScenes format."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    json: Path | None = None
    """Also write the report to this file, as JSON."""
    files: Literal["all", "sample", "none"] = "sample"
    """Files to open: all, about 2000 spread evenly, or none (and look for none)."""
    max_findings: int = 5
    """Places of each finding to print; all are counted."""
    strict: bool = False
    """Treat warnings as errors (exit status 2)."""
    training_scenes: tuple[str, ...] = ()
    """Measure how far the split of --training-scenes and --held-out-scenes overlaps; names, or .txt
    files with one name a line. By default the splits that the data set lists."""
    held_out_scenes: tuple[str, ...] = ()
    """Scenes held out from training, see --training-scenes."""

    def check(self) -> None:
        """What is known at once."""
        at_once.data_set(self.data, self.version)
        at_once.output_file(self.json, "--json")
        _split(self)


def check(options: Check) -> int:
    """`mim4d check`."""
    from mim4d.check.check_data import check_data

    with counting("check", "file") as progress:
        report = check_data(
            options.data,
            version=options.version,
            files=options.files,
            max_findings=options.max_findings,
            strict=options.strict,
            split=_split(options),
            progress=progress,
        )
    print(report.text())
    if options.json is not None:
        report.save_json(options.json)
    return report.exit_status


def _split(options: Check) -> "tuple[tuple[str, ...], tuple[str, ...]] | None":
    """The split that the options name."""
    from mim4d.data.splits import scene_names

    lists = scene_names(options.training_scenes), scene_names(options.held_out_scenes)
    if any(lists) and not all(lists):
        raise ValueError("--training-scenes and --held-out-scenes are a split: give both, or none")
    return lists if all(lists) else None


@dataclass(frozen=True)
class Split:
    """Divide scenes into parts for training and testing, and measure their overlap."""

    data: PathArgument
    """Data set in the nuScenes format."""
    out: Path = Path("split")
    """Folder for train.txt, val.txt (and test.txt), which --scenes of other commands takes."""
    geo: bool = False
    """Divide by place: no held-out sample lies within --gap-m of a training one. Otherwise
    scenes are drawn at random."""
    gap_m: float = 50.0
    """Metres between the parts, with --geo."""
    val: float = 0.15
    """Share of the scenes in val."""
    test: float = 0.0
    """Share of the scenes in test; 0 makes no such part."""
    seed: int = 0
    """Seed of the draw."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(0, seed=self.seed)
        at_once.data_set(self.data, self.version)
        at_once.output_folder(self.out, "--out")


def split(options: Split) -> None:
    """`mim4d split`."""
    from mim4d.check.make_split import make_split

    shares = {"val": options.val, **({"test": options.test} if options.test else {})}
    made = make_split(
        options.data,
        options.out,
        shares,
        gap_m=options.gap_m if options.geo else None,
        seed=options.seed,
        version=options.version,
    )
    print(made)


@dataclass(frozen=True)
class Doctor:
    """Look at this machine: devices, memory, disks, cache, bf16, codecs.

    Exit status: 0 nothing worse than remarks, 1 warnings, 2 errors.
    """


def doctor(options: Doctor) -> int:
    """`mim4d doctor`."""
    from mim4d.check.machine import examine_machine, page, status_of

    facts = examine_machine()
    print(page(facts))
    return status_of(facts)


@dataclass(frozen=True)
class View:
    """Draw a clip: all cameras and frames with LiDAR, boxes and map, and the scene from above."""

    data: PathArgument
    """Data set in the nuScenes format."""
    out: Path = Path("view.png")
    """Picture to write."""
    index: int = 0
    """Number of the clip, from 0."""
    frames: int = 3
    """Frames of the clip."""
    frame_interval_s: float | None = None
    """Time between frames, seconds; by default consecutive keyframes."""
    image_size: tuple[int, int] = (256, 448)
    """Rows and columns images are fitted into."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel."""
    without: tuple[Drawn, ...] = ()
    """Things not to draw. The map is drawn where the data set has one."""
    body_masks: Path | None = None
    """Folder of body masks (see --clip.body-masks of pretrain); masked pixels are tinted."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Show the clip as training would see it."""
    augment_seed: int = 0
    """Seed of the random draws, with --augment options."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(0, index=self.index, augment_seed=self.augment_seed)
        at_once.at_least(1, frames=self.frames)
        at_once.data_set(self.data, self.version)
        at_once.existing(self.body_masks, "--body-masks")
        at_once.output_file(self.out, "--out")
        at_once.drawing()


def view(options: View) -> None:
    """`mim4d view`."""
    from mim4d.viz.clip_picture import view_data

    augmentation = None
    if options.augment != AugmentConfig():
        from mim4d.build.data import build_augmentation

        augmentation = build_augmentation(options.augment)
    view_data(
        options.data,
        options.out,
        index=options.index,
        body_masks=options.body_masks,
        augmentation=augmentation,
        augment_seed=options.augment_seed,
        frames=options.frames,
        frame_interval_s=options.frame_interval_s,
        image_hw=options.image_size,
        lidar=options.lidar,
        version=options.version,
        without=options.without,
    )
    print(options.out)


@dataclass(frozen=True)
class Gallery:
    """Draw several scenes: contact sheets with and without boxes, LiDAR and map, and a page."""

    data: PathArgument
    """Data set in the nuScenes format."""
    out: Path = Path("gallery")
    """Folder for the pictures and the page."""
    scenes: int = 8
    """How many scenes, spread over the data set."""
    split: str | None = None
    """Take only scenes of this split, such as val."""
    without: tuple[Drawn, ...] = ()
    """Things not to draw over the pixels."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, scenes=self.scenes)
        chosen = None if self.split is None else scene_choice(self.split, ())
        at_once.data_set(self.data, self.version, chosen)
        at_once.output_folder(self.out, "--out")
        at_once.drawing()


def gallery(options: Gallery) -> None:
    """`mim4d gallery`."""
    from mim4d.viz.gallery import write_gallery

    with counting("gallery", "scene") as progress:
        paths = write_gallery(
            options.data,
            options.out,
            scenes=options.scenes,
            split=options.split,
            without=options.without,
            lidar=options.lidar,
            version=options.version,
            progress=progress,
        )
    for path in paths:
        print(path)
