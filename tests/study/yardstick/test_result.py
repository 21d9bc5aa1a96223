"""The table for a person."""

from mim4d.study.yardstick.arms import LabelledScenes
from mim4d.study.yardstick.counts import Interval
from mim4d.study.yardstick.result import Result


def test_every_arm_has_its_spread_and_the_gain_over_it() -> None:
    result = Result(
        rates={"pretrained": 2e-3, "random": 4e-3},
        by_seed={"pretrained": {0: 13.0, 1: 15.0}, "random": {0: 12.0}},
        iou={"pretrained": Interval(14.0, 12.5, 15.5), "random": Interval(12.0, 11.0, 13.0)},
        above={"random": Interval(2.0, -0.5, 4.5)},
        num_scenes=40,
        labelled=LabelledScenes(("a", "b", "c"), ("b", "c"), ("a",)),
        steps=300,
    )
    lines = result.table().splitlines()
    own = next(each for each in lines if each.startswith("this pre-training"))
    assert own.split()[2:] == ["14.0", "1.4", "12.5", "…", "15.5"]
    random = next(each for each in lines if each.startswith("random weights"))
    assert random.split()[2:] == ["12.0", "-", "11.0", "…", "13.0", "+2.0", "-0.5", "…", "4.5"]
    note = " ".join(lines)
    assert "3 labelled scenes, 300 steps, 40 held-out scenes" in note
    assert "random weights 0.004" in note
