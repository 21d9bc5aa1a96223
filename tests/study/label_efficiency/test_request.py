"""What may be asked for, and what is refused before anything is read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.study.label_efficiency.request import Labels, Study, quick

ASKED = Study(data=Path("data"), pretrained=Path("run"), out=Path("out"))


@pytest.mark.parametrize(
    ("word", "available", "count"), [("1", 64, 1), ("5%", 64, 3), ("10%", 64, 6), ("100%", 64, 64)]
)
def test_labels_are_scenes_or_a_share(word: str, available: int, count: int) -> None:
    assert Labels.of(word).count(available) == count


@pytest.mark.parametrize("word", ["0", "0.5", "0%", "101%", "-1", "ten", "10 %"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="expected a number of scenes"):
        Labels.of(word)


def test_fewer_scenes_than_are_needed_are_refused() -> None:
    with pytest.raises(ValueError, match=r"5%: is less than one of 6 training scenes; ask for 16"):
        Labels.of("5%").count(6)
    with pytest.raises(ValueError, match="9: the data set has only 6 training scenes"):
        Labels.of("9").count(6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ("pretrained",)}, "random is missing"),
        ({"rates": (1e-3, 2e-3)}, "expected at least 4"),
        ({"rates": (1e-3, 2e-3, 4e-3, -1.0)}, "expected positive numbers"),
        ({"rates": (1e-3, 2e-3, 4e-3, float("nan"))}, "expected positive numbers"),
        ({"seeds": (0, 0)}, "--seeds 0 0: expected some, each of them once"),
        ({"subset_seeds": ()}, "--subset-seeds : expected some"),
        ({"arms": ("random", "weights")}, "weights and --weights FILE belong together"),
        ({"weights": Path("w.pth")}, "belong together"),
        ({"arms": ("random",), "depth_only": Path("run")}, "add depth_only to --arms"),
        ({"arms": ("random", "random_lidar"), "rungs": ("frozen",)}, "frozen; add full to --rungs"),
        ({"arms": ("random", "pretrained_volume")}, "--join decoder"),
        ({"jobs": 0}, "--jobs 0: expected at least 1"),
        ({"floor": 120.0}, "expected percent"),
        ({"labels": ("some",)}, "--labels some"),
    ],
)
def test_what_makes_no_study_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ASKED, **changes)


def test_floors_are_the_tasks_own_unless_one_is_given() -> None:
    assert (ASKED.floor_of("detection"), ASKED.floor_of("vehicles")) == (5, 1)
    assert replace(ASKED, floor=2.0).floor_of("detection") == 2
    assert replace(ASKED, quick=True).floor_of("detection") == 0


def test_a_quick_study_keeps_what_was_said() -> None:
    small = quick(replace(ASKED, quick=True, labels=("3",), steps=7))
    assert (small.labels, small.steps, small.seeds, small.subset_seeds) == (("3",), 7, (0,), (0,))
    assert quick(ASKED).labels == ("1", "100%")
