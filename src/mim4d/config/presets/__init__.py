"""Named runs: each preset is a function that returns a complete configuration."""

from collections.abc import Callable

from mim4d.config.presets.demo import demo, demo_no_lidar, toy
from mim4d.config.presets.nuscenes import nuscenes_s_060, nuscenes_s_080
from mim4d.config.pretrain import PretrainConfig
from mim4d.errors import did_you_mean

__all__ = [
    "PRESETS",
    "demo",
    "demo_no_lidar",
    "nuscenes_s_060",
    "nuscenes_s_080",
    "preset",
    "toy",
]

PRESETS: dict[str, Callable[[], PretrainConfig]] = {
    "demo": demo,
    "demo_no_lidar": demo_no_lidar,
    "toy": toy,
    "nuscenes_s_080": nuscenes_s_080,
    "nuscenes_s_060": nuscenes_s_060,
}


def preset(name: str) -> PretrainConfig:
    """The preset of that name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS)
        raise ValueError(f"unknown preset {name!r}{hint} (there are: {', '.join(PRESETS)})")
    return PRESETS[name]()
