"""Runs on nothing are refused before they begin, and stopped where a loss stays zero."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mim4d.build.data import build_dataset
from mim4d.errors import DataError, NothingToLearnError
from mim4d.training.census import Census, judge, take_census
from mim4d.training.modules import PretrainingModule
from mim4d.training.zero_losses import STEPS, ZeroLosses
from tests.data.tiny_dataset import Rows, edit_table
from tests.toy import toy_config, toy_model


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "copy"))


@pytest.fixture(scope="module")
def module() -> PretrainingModule:
    config = toy_config()
    return PretrainingModule(toy_model(config), config)


def warnings_of(module: PretrainingModule, root: Path) -> list[str]:
    clips = build_dataset(module.config, root, "train")
    return judge(take_census(module, clips, len(clips)), str(root))


def test_a_whole_data_set_is_counted(module: PretrainingModule, data: Path) -> None:
    clips = build_dataset(module.config, data, "train")
    census = take_census(module, clips, len(clips))
    assert census.clips == 6
    assert np.all(census.images == 1)
    assert np.abs(census.late).max() < 0.1  # cameras are 0.02 s of 0.5 s early
    assert census.points is not None
    assert set(census.points) == {4}
    assert census.step["rays"] > 0.3
    assert 0 < census.step["measured_rays"] < 1
    assert 0.5 < census.step["visible"] < 1


def late(seconds: float, *channels: str) -> Callable[[Rows], object]:
    def change(rows: Rows) -> None:
        for row in rows:
            if any(channel in row["token"] for channel in channels):
                row["timestamp"] += round(seconds * 1e6)

    return change


def unflagged(*channels: str) -> Callable[[Rows], object]:
    def change(rows: Rows) -> None:
        for row in rows:
            row["is_key_frame"] &= not any(channel in row["token"] for channel in channels)

    return change


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (late(3600, "CAM"), r"0% of the key images \(.*CAM_BACK 0%"),
        (late(-90, "CAM"), r"0% of the key images \(.*CAM_BACK 0%"),
        (unflagged("CAM"), r"0% of their images are there .*CAM_BACK 0%"),
    ],
)
def test_no_images_are_refused(
    module: PretrainingModule, copy: Path, change: Callable[[Rows], object], found: str
) -> None:
    edit_table(copy, "sample_data", change)
    with pytest.raises(DataError, match=found):
        warnings_of(module, copy)


@pytest.mark.parametrize("change", [late(3600, "CAM_BACK"), unflagged("CAM_BACK")])
def test_a_camera_without_images_is_a_warning(
    module: PretrainingModule, copy: Path, change: Callable[[Rows], object]
) -> None:
    edit_table(copy, "sample_data", change)
    assert any("hardly an image of CAM_BACK" in text for text in warnings_of(module, copy))


def test_a_late_clock_is_a_warning(module: PretrainingModule, copy: Path) -> None:
    edit_table(copy, "sample_data", late(0.23, "CAM"))
    assert any("is a clock off?" in text for text in warnings_of(module, copy))


@pytest.mark.slow
def test_a_lidar_that_says_nothing_is_refused(module: PretrainingModule, copy: Path) -> None:
    for path in copy.glob("s*/LIDAR_TOP/*"):
        np.tile(np.array([0.01, 0, 0, 1, 1], np.float32), (50, 1)).tofile(path)
    with pytest.raises(DataError, match="no frame has a usable LiDAR point"):
        warnings_of(module, copy)
    for path in copy.glob("s*/LIDAR_TOP/*"):  # all that it sees lies above the cameras
        np.tile(np.array([9, 20, 90, 1, 1], np.float32), (50, 1)).tofile(path)
    with pytest.raises(DataError, match=r"rays with a distance from the LiDAR: 0\.00%"):
        warnings_of(module, copy)


def test_little_is_a_warning() -> None:
    one = Census(
        5, ("A", "B"), np.full((2, 2), 0.3), np.zeros(2), np.array([40, 50]), {"rays": 0.1}
    )
    found = judge(one, "data")
    assert any("30% of their images are there (A 30%, B 30%)" in text for text in found)
    assert any("a frame has 45 usable LiDAR points" in text for text in found)
    assert any("rays that can teach anything: 10.00%" in text for text in found)
    good = replace(one, images=np.ones((2, 2)), points=np.array([9000]), step={"rays": 0.7})
    assert judge(good, "data") == []


def test_a_loss_that_stays_zero_stops_the_run() -> None:
    zeros = ZeroLosses(1000)
    for step in range(STEPS - 1):
        zeros.add({"loss": 1.0, "distance": 0.0, "flow_static": 0.0}, step, ("loss", "distance"))
    with pytest.raises(NothingToLearnError, match="exactly zero for 100 steps: distance"):
        zeros.add({"loss": 1.0, "distance": 0.0}, STEPS, ("loss", "distance"))
    seldom = ZeroLosses(1000)
    for step in range(3 * STEPS):
        seldom.add({"distance": float(step % 50 == 0)}, step, ("distance",))
    short = ZeroLosses(2)
    short.add({"loss": 0.0}, 0, ("loss",))
    with pytest.raises(NothingToLearnError, match="for 2 steps: loss"):
        short.add({"loss": 0.0}, 1, ("loss",))


def test_what_is_watched_is_what_is_asked_for(module: PretrainingModule) -> None:
    weights = json.loads(json.dumps({"distance_weight": 0.0, "depth_weight": 1.0}))
    config = replace(module.config, loss=replace(module.config.loss, **weights))
    other = PretrainingModule(module.model, config)
    assert "depth" in other.measured_terms
    assert "distance" not in other.measured_terms
    assert "flow_static" not in other.measured_terms
