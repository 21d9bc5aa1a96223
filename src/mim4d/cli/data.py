"""Commands that look at a data set, or the machine: check, doctor, view, gallery."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mim4d.cli.arguments import Drawn, PathArgument
from mim4d.config import AugmentConfig


@dataclass(frozen=True)
class Check:
    """Check a whole data set before a long run: tables, files, poses, calibration, clocks.

    Exit status: 0 nothing worse than remarks, 1 warnings, 2 errors.
    """

    data: PathArgument
    """Data set in the nuScenes format."""
    version: str | None = None
    """Version folder, where there are several."""
    json: Path | None = None
    """Report for a machine to write."""
    files: Literal["all", "sample", "none"] = "sample"
    """Files to open: all, some 2000 spread evenly, or none (nor look for them)."""
    max_findings: int = 5
    """How many places of each finding to name; all are counted."""
    strict: bool = False
    """Treat warnings as errors (exit status 2)."""


def check(options: Check) -> int:
    """`mim4d check`."""
    from mim4d.check.check_data import check_data
    from mim4d.cli.console import Counter

    with Counter("check", "file") as counter:
        report = check_data(
            options.data,
            version=options.version,
            files=options.files,
            max_findings=options.max_findings,
            strict=options.strict,
            progress=counter.update,
        )
    print(report.text())
    if options.json is not None:
        report.save_json(options.json)
    return report.exit_status


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
    """Which clip."""
    frames: int = 3
    """Frames of the clip."""
    frame_interval_s: float | None = None
    """Time between frames, seconds; by default consecutive keyframes."""
    image_size: tuple[int, int] = (256, 448)
    """Rows and columns images are fitted into."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel."""
    without: tuple[Drawn, ...] = ()
    """What to leave out; the map is drawn where the data set has one."""
    body_masks: Path | None = None
    """Folder of body masks (see --clip.body-masks of pretrain); what they cover is tinted."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Show the clip as training would see it."""
    augment_seed: int = 0
    """Seed of what is drawn from the ranges."""
    version: str | None = None
    """Version folder, where there are several."""


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
    """What to leave out where things are drawn over the pixels."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel."""
    version: str | None = None
    """Version folder, where there are several."""


def gallery(options: Gallery) -> None:
    """`mim4d gallery`."""
    from mim4d.viz.gallery import write_gallery

    for path in write_gallery(
        options.data,
        options.out,
        scenes=options.scenes,
        split=options.split,
        without=options.without,
        lidar=options.lidar,
        version=options.version,
    ):
        print(path)
