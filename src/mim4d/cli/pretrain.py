"""`mim4d pretrain`, and the configuration it would run."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.cli.arguments import PresetConfig
from mim4d.cli.training import Training
from mim4d.config.as_json import config_to_json


@dataclass(frozen=True, kw_only=True)
class Pretrain(Training):
    """Pre-train on multi-camera video."""

    config: PresetConfig
    start_from: Path | None = None
    """Run folder (imported ones too) whose whole model the new run starts from."""


def pretrain(options: Pretrain) -> None:
    """`mim4d pretrain`."""
    from mim4d.training.loop import pretrain as run_pretraining

    reports = run_pretraining(
        options.config,
        options.data,
        options.out,
        start_from=options.start_from,
        **options.run_options(),
    )
    if reports:
        print(options.out)


@dataclass(frozen=True)
class ShowConfig:
    """Print a preset's whole configuration as JSON. A file of it can be given as a preset."""

    config: PresetConfig


def show_config(options: ShowConfig) -> None:
    """`mim4d show-config`."""
    print(config_to_json(options.config), end="")
