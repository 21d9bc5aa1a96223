"""Kinds of arguments that several commands take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mim4d.config import PretrainConfig, TaskConfig
from mim4d.data.maps.map_names import MapLayer

if TYPE_CHECKING:
    from mim4d.data.splits import SceneChoice

PathArgument = Annotated[Path, tyro.conf.Positional]
Drawn = Literal["lidar", "boxes", "map"] | MapLayer
PresetConfig = Annotated[PretrainConfig, tyro.conf.arg(name="")]
TaskPresetConfig = Annotated[TaskConfig, tyro.conf.arg(name="")]


def scene_choice(
    split: str, names: tuple[str, ...], fraction: float = 1.0, seed: int = 0
) -> "SceneChoice":
    """The scenes that the options of a command name."""
    from mim4d.data.splits import SceneChoice, scene_names

    return SceneChoice(split, scene_names(names) or None, fraction, seed)
