"""Things of the library by name, wherever a version of it keeps them."""

import importlib
from typing import Any

_BEFORE_ROOMS = "mim4d."
"""Where modules of versions stood whose package had no rooms."""

_HOMES = {
    "Clip": ("mim4d.data.clip",),
    "Rays": ("mim4d.rendering.rays",),
    "make_rays": ("mim4d.rendering.rays",),
    "build_model": ("mim4d.build.pretraining", "mim4d.build"),
    "build_optimizer": ("mim4d.training.optim",),
    "config_from_json": ("mim4d.config.as_json", _BEFORE_ROOMS + "config_json"),
    "preset": ("mim4d.config.presets", "mim4d.presets"),
    "Sources": ("mim4d.temporal.sources",),
    "PretrainingModule": ("mim4d.training.modules",),
}


def find(name: str) -> Any:
    """The object of that name from the first of its possible homes that has it.

    Raises:
        ImportError: If none has.
    """
    homes = _HOMES[name]
    for home in homes:
        try:
            module = importlib.import_module(home)
        except ModuleNotFoundError as error:
            if error.name is None or not home.startswith(error.name):
                raise
            continue
        if hasattr(module, name):
            return getattr(module, name)
    raise ImportError(f"{name}: not found in {' or '.join(homes)} of this version of mim4d")


def as_sources(*fields: Any) -> tuple[Any, ...]:
    """What a decoder is given: the record of a dropped frame's sources, or its fields one by one.

    Args:
        *fields: Volumes, valid voxels, seconds, present ones.
    """
    try:
        return (find("Sources")(*fields),)
    except ImportError:
        return fields


def volume_channels(config: Any) -> int:
    """Channels of a volume; versions without exposure have no name for those with it."""
    channels: int = getattr(config.lift, "channels", config.lift.volume_channels)
    return channels
