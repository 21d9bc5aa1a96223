"""Counts by scene and the bootstrap over scenes, by hand and by law."""

import pytest

from mim4d.study.yardstick.counts import Counts, intervals, total_iou


def test_iou_is_of_whole_counts() -> None:
    counts: Counts = {"a": [1, 1, 0], "b": [2, 0, 4]}
    assert total_iou(counts) == pytest.approx(100 * 3 / 8)
    assert total_iou({"a": [0, 0, 0]}) == 0


def test_equal_scenes_leave_nothing_to_doubt() -> None:
    """Every draw of scenes gives the same: 50 and 25 %, 25 points apart."""
    good: Counts = {name: [5, 5, 0] for name in "abc"}
    poor: Counts = {name: [1, 1, 2] for name in "abc"}
    own, above = intervals({"pretrained": [good, good], "random": [poor, poor]}, "pretrained")
    assert [own["pretrained"].lower, own["pretrained"].upper] == [50, 50]
    assert [own["random"].value, above["random"].value] == [25, 25]
    assert above["random"].lower == above["random"].upper == 25
    assert set(above) == {"random"}


def test_an_interval_is_paired_by_scene() -> None:
    """Scenes differ much, arms by 10 points in each: the gain is surer than either number."""
    good: Counts = {f"s{i}": [10 * i + 10, 0, 90 - 10 * i] for i in range(9)}
    poor: Counts = {f"s{i}": [10 * i, 0, 100 - 10 * i] for i in range(9)}
    own, above = intervals({"pretrained": [good], "random": [poor]}, "pretrained")
    assert own["random"].lower < own["random"].value == 40 < own["random"].upper
    assert (above["random"].lower, above["random"].upper) == pytest.approx((10, 10))


def test_seeds_are_averaged() -> None:
    seeds: list[Counts] = [{"a": [1, 0, 1]}, {"a": [1, 0, 0]}]
    own, _ = intervals({"random": seeds}, "random")
    assert own["random"].value == pytest.approx(75)
