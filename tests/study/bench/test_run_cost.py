"""What a run costs: the formula by hand, and what it refuses."""

from dataclasses import replace

import pytest

from mim4d.study.bench.counted_memory import StepCount
from mim4d.study.bench.run_cost import RunCost, run_cost
from tests.toy import toy_config


def test_by_hand() -> None:
    counted = StepCount("accelerator", 0, {"encode": 0}, (50_000_000, 40_000_000), 10**13, "what")
    cost = RunCost(
        counted,
        steps=36_000,
        clips_per_step=8,
        clips_per_pass=1,
        devices=8,
        rate_tflop_s=20.0,
        efficiency=0.5,
    )
    assert cost.step_tflop == pytest.approx(80)
    assert cost.step_s == pytest.approx(1.0)  # 80 / (8 × 20 × 0.5)
    assert cost.device_hours == pytest.approx(80)
    assert "36000 steps: 10.0 hours, 80 device hours" in str(cost)
    assert "with gradients and moments 0.68 GB" in str(cost)  # (50 + 3 · 40) million × 4 bytes
    assert replace(cost, efficiency=1.0).step_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1.0, 1.0), "--devices 0: expected at least 1"),
        ((1, 0.0, 1.0), "--rate-tflop-s 0.0: expected more than 0"),
        ((1, float("nan"), 1.0), "--rate-tflop-s nan: expected more than 0"),
        ((1, 1.0, 1.5), "--efficiency 1.5: expected more than 0, and at most 1"),
    ],
)
def test_numbers_that_make_no_sense(numbers: tuple[int, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_cost(toy_config(), *numbers)
