"""Distance errors: hand numbers and the stored cases."""

import base64
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mim4d.metrics.distance import distance_errors

NAMES = {"delta1": "delta_1", "delta2": "delta_2", "delta3": "delta_3"}


def test_hand_numbers() -> None:
    truth = torch.tensor([2.0, 4.0, 10.0, 0.0])
    predicted = torch.tensor([1.0, 5.0, 10.0, 3.0])
    errors = distance_errors(predicted, truth, torch.ones(4, dtype=torch.bool))
    assert errors is not None
    assert errors.num_pixels == 3
    assert errors.abs_rel == pytest.approx((0.5 + 0.25 + 0.0) / 3)
    assert errors.sq_rel == pytest.approx((0.5 + 0.25 + 0.0) / 3)
    assert errors.rmse == pytest.approx(math.sqrt(2 / 3))
    # A ratio of exactly 1.25 does not pass: only the last pixel is within the first threshold.
    assert errors.delta_1 == pytest.approx(1 / 3)
    assert errors.delta_2 == pytest.approx(2 / 3)


def test_no_valid_pixel_has_no_value() -> None:
    assert distance_errors(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool)) is None


def _array(stored: dict[str, Any]) -> Tensor:
    raw = zlib.decompress(base64.b64decode(stored["zlib_b64"]))
    array = np.frombuffer(raw, dtype=f"<{stored['dtype']}").reshape(stored["shape"])
    return torch.from_numpy(array.astype(np.float64))


@pytest.mark.parametrize("mode", ["metric", "scaled"])
def test_stored_cases(golden_dir: Path, mode: str) -> None:
    case = json.loads((golden_dir / "metrics" / "depth.json").read_text())
    truth = _array(case["arrays"]["truth"])
    predicted = _array(case["arrays"]["prediction"])
    expected = next(v for k, v in case["expected"].items() if k.endswith(mode))["per_image"]
    for d, p, numbers in zip(truth, predicted, expected, strict=True):
        errors = distance_errors(
            p, d, torch.ones_like(d, dtype=torch.bool), median_scaled=mode == "scaled"
        )
        if numbers is None:
            assert errors is None
            continue
        assert errors is not None
        for name, value in numbers.items():
            assert getattr(errors, NAMES.get(name, name)) == pytest.approx(value, abs=1e-9), name
