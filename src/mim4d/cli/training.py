"""What every command that trains takes beside a configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mim4d.cli.arguments import scene_choice
from mim4d.config import Device

if TYPE_CHECKING:
    from mim4d.training.loop import RunOptions


@dataclass(frozen=True, kw_only=True)
class Training:
    """Data, run folder, scenes, machines."""

    data: Path
    """Data set in the nuScenes format."""
    out: Path
    """Run folder to create."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    resume: bool = False
    """Continue the run in --out from its newest checkpoint."""
    overfit: int = 0
    """Train on this many clips only. 0: all."""
    split: str = "train"
    """Split to train on, from the data set's splits.json or nuScenes' official lists. A data set
    without either is one split."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    scene_fraction: float = 1.0
    """Share of the scenes to train on. A smaller share is part of a larger one."""
    scene_seed: int = 0
    """Seed of the choice of that share."""
    device: Device = "auto"
    """Where to train."""
    devices: int = 1
    """Processes that train together, one per GPU (or on the CPU); each takes `optim.batch_size`
    clips of its own."""
    workers: int | None = None
    """Loader processes of each training process; by default chosen from the cores."""
    on_bad_clip: Literal["fail", "skip"] = "fail"
    """What to do with a clip that cannot be read. Skipped clips are counted and reported."""

    def run_options(self) -> "RunOptions":
        """The same as arguments of the training loop."""
        return {
            "version": self.version,
            "resume": self.resume,
            "overfit": self.overfit,
            "scenes": scene_choice(self.split, self.scenes, self.scene_fraction, self.scene_seed),
            "device": self.device,
            "devices": self.devices,
            "workers": self.workers,
            "skip_bad_clips": self.on_bad_clip == "skip",
        }
