from pathlib import Path

import pytest

from mim4d.config.presets import preset, task_preset
from mim4d.runs.record import create_run


@pytest.fixture
def pretraining(tmp_path: Path) -> Path:
    """The folder of a pre-training before its first step."""
    create_run(tmp_path / "pre", preset("toy"), tmp_path, ["a"], {"overfit": 0})
    return tmp_path / "pre"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """The folder of a task's run before its first step."""
    create_run(tmp_path / "task", task_preset("toy", "vehicles"), tmp_path, ["a"], {"overfit": 0})
    return tmp_path / "task"
