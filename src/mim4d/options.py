"""The options of every command: one dataclass each, whose field docstrings are its `--help`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mim4d.augment_config import AugmentConfig
from mim4d.config import Device, RunConfig
from mim4d.data.images.image_fit import Fit
from mim4d.data.maps.map_names import MapLayer

PathArgument = Annotated[Path, tyro.conf.Positional]
Drawn = Literal["lidar", "boxes", "map"] | MapLayer
PresetConfig = Annotated[RunConfig, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class World:
    """Make a synthetic data set in the nuScenes format, with exact truth for evaluation."""

    out: PathArgument
    """Folder to create."""
    scenes: int = 8
    """Training scenes."""
    held_out: int = 2
    """Held-out scenes, from seeds that no training scene uses."""
    seed: int = 0
    """Seed of everything in the world."""
    samples_per_scene: int = 8
    """Keyframes of each scene."""
    keyframe_interval_s: float = 0.5
    """Time between keyframes, seconds."""
    camera_rate_hz: float | None = None
    """Images per second of each camera (nuScenes: 12); by default keyframes only."""
    lidar_rate_hz: float | None = None
    """Turns per second of the LiDAR (nuScenes: 20); by default keyframes only."""
    image_size: tuple[int, int] = (256, 448)
    """Rows and columns of the images."""
    lidar_azimuths: int = 1080
    """LiDAR firings per turn and beam."""
    no_shadows: bool = False
    """Leave shadows out: a little faster."""
    overwrite: bool = False
    """Replace a world that the folder already holds."""
    workers: int | None = None
    """Processes; by default one per core. The files do not depend on it."""


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


@dataclass(frozen=True)
class Pretrain:
    """Pre-train on multi-camera video."""

    data: Path
    """Data set in the nuScenes format."""
    out: Path
    """Run folder to create."""
    config: PresetConfig
    version: str | None = None
    """Version folder, where there are several."""
    resume: bool = False
    """Continue the run in --out from its newest checkpoint."""
    start_from: Path | None = None
    """Run folder, imported ones too, whose whole model the new run starts from."""
    overfit: int = 0
    """Train on only so many clips; 0 takes all."""
    split: str = "train"
    """Split to train on, by the data set's splits.json or nuScenes' official lists; a data set
    that lists none is one split."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    scene_fraction: float = 1.0
    """Share of the scenes to train on; a smaller share is contained in a larger one."""
    scene_seed: int = 0
    """Seed that chooses the share of scenes."""
    device: Device = "auto"
    """Where to train."""
    devices: int = 1
    """Processes that train together, one per GPU (or on the CPU); each takes `optim.batch_size`
    clips of its own."""
    workers: int | None = None
    """Loader processes of each training process; by default chosen from the cores."""
    on_bad_clip: Literal["fail", "skip"] = "fail"
    """What to do with a clip that cannot be read; skipped ones are counted and reported."""


@dataclass(frozen=True)
class Render:
    """Draw what a run sees: input, rendered colour and distance, truth, error, scene flow."""

    run: PathArgument
    """Run folder."""
    data: Path
    """Data set; its held-out scenes are drawn."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/renders."""
    clips: int = 2
    """How many clips, spread over the scenes."""
    stride: int = 2
    """Image pixels per rendered pixel."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""


@dataclass(frozen=True)
class Evaluate:
    """Measure distance, colour, free space and scene flow of a run, beside its baselines."""

    run: PathArgument
    """Run folder."""
    data: Path
    """Data set."""
    stride: int = 4
    """Image pixels per evaluated pixel, in both directions."""
    clips: int | None = None
    """At most so many clips, spread over the scenes."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""
    json: Path | None = None
    """Also write all numbers to this file; RUN/evaluation.json has them in any case."""


@dataclass(frozen=True)
class Ablate:
    """Train and measure the method with one thing changed at a time, over several seeds.

    What is finished is kept and what was interrupted is continued.
    """

    data: Path
    """Data set with held-out scenes."""
    out: Path
    """Folder for the runs, the table and the picture."""
    config: PresetConfig
    steps: int | None = None
    """Optimiser steps of every run; by default the preset's."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds of every row."""
    headline_seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the rows full, no_flow, copy and mean."""
    rows: tuple[str, ...] = ()
    """Rows by name; by default all. The row full, with which the others are compared, is always
    among them."""
    clips: int | None = 48
    """Measure at most so many held-out frames, spread over the scenes; the same for all rows."""
    stride: int = 8
    """Image pixels per measured pixel, in both directions."""
    jobs: int = 1
    """Runs that are trained side by side, each on its share of the cores and reading its clips
    between its steps."""
    only_table: bool = False
    """Train nothing: measure and show what is finished."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""


@dataclass(frozen=True)
class BenchStep:
    """Time one training step, split by stage, and its peak memory."""

    data: Path
    """Data set."""
    config: PresetConfig
    steps: int = 5
    """Measured steps."""
    warm_up: int = 2
    """Steps before them that are not measured."""
    no_stages: bool = False
    """Do not split the time by stage, which takes as many steps again."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""


@dataclass(frozen=True)
class BenchLoad:
    """Time the reading of a clip, beside bare decoding and OpenCV's usual ways."""

    data: Annotated[Path | None, tyro.conf.Positional] = None
    """Data set; by default one of 3 × 6 JPEGs of 1600×900 is written for the while."""
    image_size: tuple[int, int] = (256, 704)
    """Rows and columns images are fitted into."""
    fit: Fit = "cover"
    """Whether the target is filled, or the whole image shown."""
    frames: int = 3
    """Frames of the clip."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel."""
    rounds: int = 10
    """How often everything is measured."""
    version: str | None = None
    """Version folder, where there are several."""


@dataclass(frozen=True)
class Demo:
    """Make a small world, pre-train on it, evaluate on held-out scenes, write a report."""

    out: PathArgument = Path("demo")
    """Folder for everything; what is already there and whole is kept."""
    scenes: int = 64
    """Training scenes."""
    held_out: int = 12
    """Held-out scenes."""
    seed: int = 0
    """Seed of the world and of the training."""
    steps: int | None = None
    """Optimiser steps; by default the preset's."""


@dataclass(frozen=True)
class ShowConfig:
    """Print the resolved configuration as JSON; a file of it can stand in a preset's place."""

    config: PresetConfig
