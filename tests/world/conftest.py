"""One small world for all tests of this folder, and a reader of its own (plain numpy and json)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the world needs pip install 'mim4d[world]'")
pytest.importorskip("embreex", reason="the world needs pip install 'mim4d[world]'")

from mim4d.world.generate import VERSION, generate_world
from mim4d.world.objects.stock import Stock
from mim4d.world.scene import layout as layout_module
from mim4d.world.scene.layout import Layout, sample_layout

Row = dict[str, Any]
SMALL = {"seed": 7, "samples_per_scene": 3, "image_hw": (48, 80), "lidar_azimuths": 540}
LAYOUT_S, LAYOUTS = 4.0, 16


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "data"
    generate_world(out, scenes=1, held_out=1, workers=1, **SMALL)
    return out


@pytest.fixture(scope="session")
def layouts() -> list[Layout]:
    """The first scenes of a stream, LAYOUT_S long; of one stock, which saves most shapes."""
    shared = Stock(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout_module, "Stock", lambda seed: shared)
        seeds = [np.random.SeedSequence((1, 3, i)) for i in range(LAYOUTS)]
        return [sample_layout(seed, LAYOUT_S) for seed in seeds]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene with sweeps of cameras and LiDAR."""
    out = tmp_path_factory.mktemp("film") / "data"
    rates = {"camera_rate_hz": 12.0, "lidar_rate_hz": 20.0, "keyframe_interval_s": 0.25}
    generate_world(out, scenes=1, held_out=0, workers=1, **SMALL, **rates)
    return out


@pytest.fixture(scope="session")
def tables(world: Path) -> dict[str, dict[str, Row]]:
    return read_rows(world)


@pytest.fixture(scope="session")
def film_tables(film: Path) -> dict[str, dict[str, Row]]:
    return read_rows(film)


def read_rows(root: Path) -> dict[str, dict[str, Row]]:
    """Rows of each table by token."""
    return {
        path.stem: {row["token"]: row for row in json.loads(path.read_text())}
        for path in (root / VERSION).glob("*.json")
        if path.stem != "splits"
    }


@pytest.fixture(scope="session")
def global_from_sensor(tables: dict[str, dict[str, Row]]) -> Callable[[Row], np.ndarray]:
    """Pose of the sensor of a sample_data row at its time."""
    return lambda data: sensor_pose(tables, data)


def sensor_pose(tables: dict[str, dict[str, Row]], data: Row) -> np.ndarray:
    ego = tables["ego_pose"][data["ego_pose_token"]]
    sensor = tables["calibrated_sensor"][data["calibrated_sensor_token"]]
    return pose_matrix(ego) @ pose_matrix(sensor)


def pose_matrix(row: Row) -> np.ndarray:
    w, x, y, z = row["rotation"]
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = row["translation"]
    return pose
