"""What every command that trains takes beside a configuration."""

from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mim4d.cli import at_once
from mim4d.cli.arguments import scene_choice
from mim4d.config import Device, RunConfig
from mim4d.errors import need_extra
from mim4d.runs.record import Kind, read_record, read_run_config
from mim4d.training.resume import Schedule, extended
from mim4d.training.watch import LoggerName, Picture, Watch

if TYPE_CHECKING:
    from mim4d.training.loop import RunOptions

Config = TypeVar("Config", bound=RunConfig)


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
    """Continue the run in --out from its newest checkpoint. Alone, as in `--resume RUN` in place of
    a preset, it takes everything else from the run, too."""
    extend_to: int | None = None
    """With --resume: continue to this many optimiser steps in all."""
    extend_schedule: Schedule = "hold"
    """With --extend-to. hold: the learning rate stays where the schedule ended. cosine: it follows
    the schedule of a run of that length, so it jumps upwards where the run goes on."""
    validate_every: int = 0
    """Optimiser steps between validations: losses (and a picture) of held-out clips; the checkpoint
    with the lowest loss is kept as checkpoints/best.ckpt. 0 never validates."""
    validation_clips: int = 8
    """Clips of each validation, always the same."""
    validation_split: str = "val"
    """Split of the clips."""
    validation_scenes: tuple[str, ...] = ()
    """Scenes of the clips by name instead; a .txt file holds one name a line."""
    logger: tuple[LoggerName, ...] = ("tensorboard",)
    """Where to send numbers and pictures, besides RUN/metrics.jsonl; without a name, nowhere."""
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

    def check(self) -> None:
        """What is known at once."""
        options = self.run_options()
        at_once.at_least(0, overfit=self.overfit, scene_seed=self.scene_seed, workers=self.workers)
        at_once.at_least(1, devices=self.devices)
        at_once.device(self.device)
        for name in {"wandb", "mlflow"} & set(self.logger):
            need_extra(name, f"--logger {name}")
        if self.extend_to is not None and not self.resume:
            raise ValueError("--extend-to: only a run that is resumed can be extended")
        if self.resume:
            read_run_config(self.out)
        else:
            at_once.new_run(self.out)
        at_once.data_set(self.data, self.version, options["scenes"])
        if self.validate_every:
            at_once.data_set(self.data, self.version, options["watch"].validation_scenes)

    @classmethod
    def of_run(cls, run: Path, kind: Kind) -> dict[str, Any]:
        """What a run was started with, as options by name.

        Raises:
            ValueError: If the folder holds no run of this kind, or a damaged one.
        """
        config, record = at_once.run_of_kind(run, kind), read_record(run)
        if record["data"] is None:
            raise ValueError(
                f"{run}: holds an imported model, without the optimiser's state; start a new --out "
                f"from it with --start-from {run}"
            )
        known = {field.name for field in fields(cls)}
        again = {k: v for k, v in record.get("options", {}).items() if k in known}
        again = {k: tuple(v) if isinstance(v, list) else v for k, v in again.items()}
        version = record.get("data_set", {}).get("version")
        return {
            "config": config,
            "data": Path(record["data"]),
            "out": run,
            "resume": True,
            "version": version,
            "scenes": tuple(record["training_scenes"]),
            "overfit": record.get("overfit", 0),
            "devices": record.get("processes", 1),
            **again,
        }

    def run_options(self, picture: Picture | None = None) -> "RunOptions":
        """The same as arguments of the training loop.

        Args:
            picture: Draws what is validated.
        """
        return {
            "watch": Watch(
                self.logger,
                self.validate_every,
                self.validation_clips,
                scene_choice(self.validation_split, self.validation_scenes),
                picture,
            ),
            "extends": self.extend_to is not None,
            "version": self.version,
            "resume": self.resume,
            "overfit": self.overfit,
            "scenes": scene_choice(self.split, self.scenes, self.scene_fraction, self.scene_seed),
            "device": self.device,
            "devices": self.devices,
            "workers": self.workers,
            "skip_bad_clips": self.on_bad_clip == "skip",
        }


def config_to_train(config: Config, options: Training) -> Config:
    """The configuration given, with more steps where they are asked for."""
    if options.extend_to is None:
        return config
    return extended(config, options.extend_to, options.extend_schedule)


def validation_picture(options: Training) -> Picture | None:
    """What draws a validation; None where there is none, or nothing that draws is installed."""
    if not options.validate_every or find_spec("matplotlib") is None:
        return None
    from mim4d.viz.validation_picture import draw_validation

    return draw_validation
