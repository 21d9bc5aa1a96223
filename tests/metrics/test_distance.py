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

from mim4d.metrics.distance import (
    MEASURES,
    DistanceErrors,
    aggregate,
    distance_errors,
    errors_of_sums,
    pixel_errors,
)

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
    assert errors.log_bias == pytest.approx((math.log(0.5) + math.log(1.25)) / 3)
    # A ratio of exactly 1.25 does not pass: only the last pixel is within the first threshold.
    assert errors.delta_1 == pytest.approx(1 / 3)
    assert errors.delta_2 == pytest.approx(2 / 3)


def test_no_valid_pixel_has_no_value() -> None:
    assert distance_errors(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool)) is None


def _array(stored: dict[str, Any]) -> Tensor:
    raw = zlib.decompress(base64.b64decode(stored["zlib_b64"]))
    array = np.frombuffer(raw, dtype=f"<{stored['dtype']}").reshape(stored["shape"])
    return torch.from_numpy(array.astype(np.float64))


def test_an_even_number_of_pixels_has_the_mean_of_both_middle_ones_as_median() -> None:
    truth, predicted = torch.tensor([[2.0, 4.0]]), torch.tensor([[1.0, 5.0]])
    errors = pixel_errors(predicted, truth, truth > 0, median_scaled=True)
    assert errors.scales.tolist() == [1.0]


def test_a_part_of_an_image_is_scaled_like_the_whole() -> None:
    """Scale 4 / 2 = 2: the second pixel's error is 0 on its own, |4 − 4| / 4 with the whole."""
    truth, predicted = torch.tensor([[2.0, 4.0, 12.0]]), torch.tensor([[2.0, 2.0, 3.0]])
    errors = pixel_errors(predicted, truth, truth > 0, median_scaled=True)
    part = errors_of_sums(errors.sums(torch.tensor([[True, False, True]]))[0])
    assert part is not None
    assert part.abs_rel == pytest.approx((1.0 + 0.5) / 2)
    assert part.num_pixels == 2


@pytest.mark.parametrize("mode", ["metric", "median_scaled"])
def test_stored_cases(golden_dir: Path, mode: str) -> None:
    """Each image, and every way to join images."""
    case = json.loads((golden_dir / "metrics" / "depth.json").read_text())
    truth = _array(case["arrays"]["truth"])
    predicted = _array(case["arrays"]["prediction"])
    expected = case["expected"][mode]
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    limits_m = case["min_depth"], case["max_depth"]
    scaled = mode == "median_scaled"
    errors = pixel_errors(predicted, truth, everywhere, *limits_m, median_scaled=scaled)
    scales = [None if math.isnan(scale) else scale for scale in errors.scales.tolist()]
    assert scales == pytest.approx(expected["scale"], abs=1e-9)
    sums = errors.sums()
    assert sums[:, -1].tolist() == expected["valid_pixels"]
    for row, numbers in zip(sums, expected["per_image"], strict=True):
        _assert_equal(errors_of_sums(row), numbers)
    cameras = [str(i % case["cameras"]) for i in range(len(truth))]
    found = aggregate(sums, cameras)
    assert found is not None
    _assert_equal(found.mean_over_images, expected["mean_over_images"])
    _assert_equal(found.mean_over_pixels_of_images, expected["mean_over_pixels_of_images"])
    _assert_equal(found.mean_over_cameras, expected["mean_over_cameras"])
    per_camera = expected["per_camera_mean_over_its_images"]
    assert set(found.per_camera) <= set(per_camera)
    for camera, numbers in per_camera.items():
        _assert_equal(found.per_camera.get(camera), numbers)
    # Over pixels, means are the same and only roots differ.
    for name in ("abs_rel", "sq_rel", "delta_1", "delta_2", "delta_3"):
        one, other = (
            getattr(e, name) for e in (found.over_pixels, found.mean_over_pixels_of_images)
        )
        assert one == pytest.approx(other, rel=1e-12, abs=1e-12)


def _assert_equal(errors: DistanceErrors | None, numbers: dict[str, float] | None) -> None:
    if numbers is None:
        assert errors is None
        return
    assert errors is not None
    assert {NAMES.get(name, name) for name in numbers} == {*MEASURES} - {"log_bias"}  # our own
    for name, value in numbers.items():
        assert getattr(errors, NAMES.get(name, name)) == pytest.approx(value, abs=1e-9), name


def test_without_any_pixel_there_is_no_aggregate() -> None:
    assert aggregate(torch.zeros(3, 9, dtype=torch.float64), ["a", "b", "a"]) is None
