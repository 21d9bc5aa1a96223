"""The headline: the worst of four columns, in words."""

from dataclasses import replace

import pytest

from mim4d.evaluation.headline import judge
from mim4d.evaluation.scores import Row
from tests.evaluation.rows import row


def _row(abs_rel: float, rmse: float, rmse_log: float, delta_1: float) -> Row:
    made = row(abs_rel)
    errors = replace(made.errors, rmse=rmse, rmse_log=rmse_log, delta_1=delta_1)
    everywhere = replace(made.metric.everywhere, over_pixels=errors)
    return replace(made, metric=replace(made.metric, everywhere=everywhere))


ROWS = {
    "pixel_median": _row(0.4, 5.0, 0.5, 0.6),
    "flat_ground": _row(0.5, 6.0, 0.4, 0.5),
    "depth_head": _row(0.1, 3.0, 0.3, 0.8),
    "direct": _row(0.2, 4.4, 0.3, 0.7),  # ratios 0.5, 0.88, 0.75 and 0.3 / 0.4
}


def test_a_row_is_judged_by_its_worst_column_beside_the_best_of_each() -> None:
    verdict = judge(ROWS, "direct")
    assert verdict is not None
    assert (verdict.column, verdict.against, verdict.met) == ("rmse", "pixel_median", True)
    assert verdict.ratio == pytest.approx(0.88)
    assert verdict.sentence == (
        "Distances rendered from a frame's own images (direct volume): better than every untrained "
        "baseline in all 4 error measures. Closest: distance error (RMSE), 4.40 m against 5.00 m "
        "for the median of the training scenes (12 % below it)."
    )


def test_one_column_behind_is_enough_to_miss() -> None:
    short = {**ROWS, "direct": _row(0.05, 1.0, 0.1, 0.5)}  # 1 − δ is 0.5 to 0.4
    verdict = judge(short, "direct")
    assert verdict is not None
    assert (verdict.column, verdict.met) == ("misses", False)
    assert verdict.headline.endswith(
        ": an untrained baseline is as good or better in at least one of 4 error measures."
    )
    assert verdict.detail.startswith("Worst: pixels off by more than a factor of 1.25")
    assert verdict.detail.endswith("(25 % above it).")


def test_beside_its_depth_head() -> None:
    verdict = judge(ROWS, "direct", ("depth_head",))
    assert verdict is not None
    assert verdict.column == "abs_rel"
    assert "the model's own depth head is as good or better in at least one" in verdict.headline
    assert "0.200 against 0.100 for the model's own depth head (100 % above it)" in verdict.detail


def test_nothing_to_compare_with_is_no_headline() -> None:
    assert judge({"direct": ROWS["direct"]}, "direct") is None
    assert judge(ROWS, "rebuilt") is None


def test_what_is_equal_when_rounded_is_not_called_better() -> None:
    close = {**ROWS, "direct": _row(0.1, 4.988, 0.1, 0.9)}  # RMSE 0.9976 of the median's
    verdict = judge(close, "direct")
    assert verdict is not None
    assert verdict.ratio < 1
    assert not verdict.met
    assert verdict.sentence.endswith("(equal to it).")
    assert "as good or better" in verdict.headline
