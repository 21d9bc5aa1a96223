"""Tiny data sets and a table cache of their own for every test of this folder."""

import shutil
from pathlib import Path

import pytest

from tests.data.tiny_dataset import write_tiny_dataset


@pytest.fixture(autouse=True)
def table_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def tiny_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of three cameras; shared, so only for reading."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture
def tiny(tiny_original: Path, tmp_path: Path) -> Path:
    """A copy of the tiny data set that a test may damage."""
    return Path(shutil.copytree(tiny_original, tmp_path / "data"))
