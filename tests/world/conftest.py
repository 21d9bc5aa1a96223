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

Row = dict[str, Any]
SMALL = {"seed": 7, "samples_per_scene": 3, "image_hw": (48, 80), "lidar_azimuths": 540}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "data"
    generate_world(out, scenes=1, held_out=1, workers=1, **SMALL)
    return out


@pytest.fixture(scope="session")
def tables(world: Path) -> dict[str, dict[str, Row]]:
    """Rows of each table by token."""
    return {
        path.stem: {row["token"]: row for row in json.loads(path.read_text())}
        for path in (world / VERSION).glob("*.json")
    }


@pytest.fixture(scope="session")
def global_from_sensor(tables: dict[str, dict[str, Row]]) -> Callable[[Row], np.ndarray]:
    """Pose of the sensor of a sample_data row at its time."""

    def compose(data: Row) -> np.ndarray:
        ego = tables["ego_pose"][data["ego_pose_token"]]
        sensor = tables["calibrated_sensor"][data["calibrated_sensor_token"]]
        return pose_matrix(ego) @ pose_matrix(sensor)

    return compose


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
