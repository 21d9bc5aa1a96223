"""One small world for all tests of this folder, and a reader of its own (plain numpy and json)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the world needs pip install 'mim4d[world]'")
pytest.importorskip("embreex", reason="the world needs pip install 'mim4d[world]'")

from mim4d.world.scene.layout import Layout
from mim4d.world.writing.table_rows import VERSION
from tests.shared import made_once, run_module
from tests.world.make import read_layouts

Row = dict[str, Any]


def made(kind: str, factory: pytest.TempPathFactory) -> Path:
    """One of the things that `make.py` makes; shared, so only for reading."""
    return made_once(factory, kind, lambda out: run_module("tests.world.make", kind, out))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training and a held-out scene."""
    return made("world", tmp_path_factory)


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> list[Layout]:
    """The first scenes of a stream; of one stock."""
    return read_layouts(made("layouts", tmp_path_factory))


@pytest.fixture(scope="session")
def town_layouts(tmp_path_factory: pytest.TempPathFactory) -> list[Layout]:
    """Scenes at their places in two towns."""
    return read_layouts(made("town-layouts", tmp_path_factory))


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene with sweeps of cameras and LiDAR."""
    return made("film", tmp_path_factory)


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
