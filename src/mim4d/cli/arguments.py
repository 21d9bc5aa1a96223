"""Kinds of arguments that several commands take."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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


def with_values(options: type[Any], values: Mapping[str, Any]) -> Any:
    """Default options with these values, in which what the user must give is still missing.

    Made without the constructor: the mark for a missing value is of no option's type.
    """
    default = object.__new__(options)
    for field in fields(options):
        value = tyro.MISSING_NONPROP if field.default is MISSING else field.default
        object.__setattr__(default, field.name, values.get(field.name, value))
    return default
