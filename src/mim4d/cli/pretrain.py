"""`mim4d pretrain`, and the configuration it would run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mim4d.cli.arguments import PresetConfig, scene_choice
from mim4d.config import Device
from mim4d.config.as_json import config_to_json


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


def pretrain(options: Pretrain) -> None:
    """`mim4d pretrain`."""
    from mim4d.training.loop import pretrain as run_pretraining

    reports = run_pretraining(
        options.config,
        options.data,
        options.out,
        version=options.version,
        resume=options.resume,
        start_from=options.start_from,
        overfit=options.overfit,
        scenes=scene_choice(
            options.split, options.scenes, options.scene_fraction, options.scene_seed
        ),
        device=options.device,
        devices=options.devices,
        workers=options.workers,
        skip_bad_clips=options.on_bad_clip == "skip",
    )
    if reports:
        print(options.out)


@dataclass(frozen=True)
class ShowConfig:
    """Print the resolved configuration as JSON; a file of it can stand in a preset's place."""

    config: PresetConfig


def show_config(options: ShowConfig) -> None:
    """`mim4d show-config`."""
    print(config_to_json(options.config), end="")
