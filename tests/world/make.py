"""Makes what many tests of the world share, in a process of its own: `make.py KIND OUT`."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mim4d.world.generate import generate_world
from mim4d.world.objects.stock import Stock
from mim4d.world.scene import layout as layout_module
from mim4d.world.scene.layout import Layout, sample_layout
from mim4d.world.scene.town import Placement, placement

SMALL: dict[str, Any] = {
    "seed": 7,
    "samples_per_scene": 3,
    "image_hw": (48, 80),
    "lidar_azimuths": 540,
}
FILM: dict[str, Any] = {"camera_rate_hz": 12.0, "lidar_rate_hz": 20.0, "keyframe_interval_s": 0.25}
LAYOUT_S, LAYOUTS = 4.0, 16
TOWN_S = 0.5


def write_world(out: Path) -> None:
    """A training and a held-out scene."""
    generate_world(out, scenes=1, held_out=1, workers=1, **SMALL)


def write_film(out: Path) -> None:
    """One scene with sweeps of cameras and LiDAR."""
    generate_world(out, scenes=1, held_out=0, workers=1, **SMALL, **FILM)


def write_layouts(out: Path) -> None:
    """The first scenes of a stream, LAYOUT_S long; of one stock, which saves most shapes."""
    shared = Stock(5)
    vars(layout_module)["Stock"] = lambda seed: shared
    seeds = [np.random.SeedSequence((1, 3, i)) for i in range(LAYOUTS)]
    out.write_bytes(pickle.dumps([sample_layout(seed, LAYOUT_S) for seed in seeds]))


def town_places() -> list[Placement]:
    """Where three training scenes and a held-out one lie."""
    return [placement("train", i, TOWN_S) for i in range(3)] + [placement("val", 0, TOWN_S)]


def write_town_layouts(out: Path) -> None:
    """A scene at each of these places."""
    layouts = [
        sample_layout(np.random.SeedSequence((1, 9, i)), TOWN_S, place)
        for i, place in enumerate(town_places())
    ]
    out.write_bytes(pickle.dumps(layouts))


def read_layouts(path: Path) -> list[Layout]:
    """What one of the two wrote."""
    layouts: list[Layout] = pickle.loads(path.read_bytes())
    return layouts


KINDS: dict[str, Callable[[Path], None]] = {
    "world": write_world,
    "film": write_film,
    "layouts": write_layouts,
    "town-layouts": write_town_layouts,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]))
