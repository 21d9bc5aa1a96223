"""A small, complete data set for the checks, and a way to check it."""

import shutil
from pathlib import Path

import pytest

from tests.data.tiny_dataset import complete_tiny_dataset, write_tiny_dataset


@pytest.fixture(autouse=True)
def table_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def complete_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of two cameras with every table; shared, so only for reading."""
    root = tmp_path_factory.mktemp("complete") / "data"
    return complete_tiny_dataset(write_tiny_dataset(root, ("CAM_FRONT", "CAM_BACK")))


@pytest.fixture
def data(complete_original: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(complete_original, tmp_path / "data"))
