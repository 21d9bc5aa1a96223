"""`mim4d finetune`: train a task on a pre-trained trunk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mim4d.cli.arguments import TaskPresetConfig, scene_choice
from mim4d.config import Device


@dataclass(frozen=True)
class Finetune:
    """Train a task on labels, from a pre-trained encoder or from none."""

    init: str
    """What the trunk starts from: a finished run folder, a file that `mim4d export --to
    safetensors` wrote, or none."""
    data: Path
    """Data set in the nuScenes format, with labels."""
    out: Path
    """Run folder to create."""
    config: TaskPresetConfig
    version: str | None = None
    """Version folder, where there are several."""
    resume: bool = False
    """Continue the run in --out from its newest checkpoint."""
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


def finetune(options: Finetune) -> None:
    """`mim4d finetune`."""
    from mim4d.training.finetune import finetune as run_finetuning

    reports = run_finetuning(
        options.config,
        options.data,
        options.out,
        init=None if options.init == "none" else Path(options.init),
        version=options.version,
        resume=options.resume,
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
