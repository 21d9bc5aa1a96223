"""`mim4d show-config`: what a preset is made of."""

from dataclasses import dataclass

from mim4d.cli.arguments import PresetConfig, TaskPresetConfig
from mim4d.config.as_json import config_to_json


@dataclass(frozen=True)
class ShowConfig:
    """Print a preset's whole configuration as JSON. A file of it can be given as a preset.

    With a task before the preset, as in `mim4d show-config bev_segmentation demo`, it is that of
    the task.
    """

    config: PresetConfig


@dataclass(frozen=True)
class ShowTaskConfig:
    """Print the whole configuration of a task's preset as JSON.

    A file of it can be given as a preset to `mim4d finetune`.
    """

    config: TaskPresetConfig


def show_config(options: ShowConfig | ShowTaskConfig) -> None:
    """`mim4d show-config`."""
    print(config_to_json(options.config), end="")
