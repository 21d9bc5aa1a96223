"""Frames that are common to rows whose clips differ."""

from dataclasses import replace
from pathlib import Path

import pytest

from mim4d.config import ClipConfig, PretrainConfig
from mim4d.study.ablation.common_frames import common_targets
from mim4d.study.ablation.rows import apply_rows, choose_rows
from tests.toy import toy_config


def _configs(*names: str) -> dict[str, PretrainConfig]:
    return apply_rows(choose_rows(names), toy_config())[0]


def test_all_rows_share_the_frames_of_the_longest_clips(data: Path) -> None:
    full = common_targets(_configs("copy"), data, None, None)
    assert full.tokens == tuple(f"scene1-sample{i}" for i in (1, 2, 3))
    both = common_targets(_configs("two_frames", "five_frames"), data, None, None)
    assert both.tokens == ("scene1-sample2",)
    assert (both.num_common, both.num_full) == (1, 3)


def test_no_more_than_asked_for(data: Path) -> None:
    found = common_targets(_configs("copy"), data, None, 1)
    assert found.tokens == ("scene1-sample2",)
    assert found.num_common == 3
    with pytest.raises(ValueError, match="--clips 0"):
        common_targets(_configs("copy"), data, None, 0)


def test_a_row_whose_clips_are_longer_than_the_scenes_is_left_out(data: Path) -> None:
    config = toy_config()
    configs = _configs("copy") | {"seven": replace(config, clip=ClipConfig(7, 3, None, 64, 96))}
    found = common_targets(configs, data, None, None)
    assert len(found.tokens) == 3
    assert set(found.left_out) == {"seven"}


def test_no_common_frame_is_refused(data: Path) -> None:
    """The oldest and the newest of three frames are never both the middle one of five."""
    config = toy_config()
    mask = replace(config.mask, dropped_frame="key")
    ends = [replace(config, clip=ClipConfig(5, key, None, 64, 96), mask=mask) for key in (0, 4)]
    with pytest.raises(ValueError, match="no held-out frame"):
        common_targets({"full": ends[0], "other": ends[1]}, data, None, None)


def test_missing_data_leave_no_row_out(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        common_targets(_configs("copy"), tmp_path / "nowhere", None, None)
