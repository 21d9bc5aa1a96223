"""Labels saved, by hand."""

import pytest

from mim4d.study.label_efficiency.labels_saved import labels_saved

SCENES, SCORES = (1, 10, 100), (5.0, 15.0, 25.0)


@pytest.mark.parametrize(
    ("scenes", "score", "shown"),
    [
        (10, 25.0, "10.0 ×"),  # has with 10 what the other has with 100
        (10, 15.0, "1.0 ×"),
        (1, 20.0, "31.6 ×"),  # half way from 10 to 100 by logarithm
        (100, 10.0, "0.0 ×"),  # is worse: 3.16 scenes would do
        (10, 26.0, "≥ 10.0 ×"),  # the other never has it
        (10, 4.0, "≤ 0.1 ×"),  # nor was anything less measured
        (1, 5.0, "1.0 ×"),
    ],
)
def test_by_hand(scenes: int, score: float, shown: str) -> None:
    assert str(labels_saved(scenes, score, SCENES, SCORES)) == shown


def test_a_curve_that_falls_again_keeps_its_best() -> None:
    """From 15 at 10 scenes and 12 at 30, 20 is half way from 15 to 25 between 30 and 100."""
    found = labels_saved(10, 20.0, (1, 10, 30, 100), (5.0, 15.0, 12.0, 25.0))
    assert found is not None
    assert found.times == pytest.approx((30 * 100) ** 0.5 / 10)


def test_one_point_is_a_bound_or_itself() -> None:
    assert str(labels_saved(6, 9.0, (6,), (8.0,))) == "≥ 1.0 ×"
    assert str(labels_saved(6, 8.0, (6,), (8.0,))) == "1.0 ×"


def test_a_score_of_nothing_saves_nothing() -> None:
    assert labels_saved(1, 0.0, SCENES, (0.0, 0.0, 0.0)) is None
    assert labels_saved(1, 0.0, SCENES, SCORES) is None
    assert str(labels_saved(1, 3.0, SCENES, (0.0, 0.0, 0.0))) == "≥ 100.0 ×"
