"""Scene flow errors: hand numbers, laws, the stored cases of the Argoverse 2 tool."""

import math

import pytest
import torch

from mim4d.metrics.scene_flow import (
    FlowErrors,
    FlowPoints,
    accuracy,
    angle_error,
    end_point_error,
    is_close,
    per_sweep,
)
from tests.metrics.stored import load_case, near, stored_array

TOOL_NAMES = {
    "EPE": "epe",
    "Accuracy Strict": "accuracy_strict",
    "Accuracy Relax": "accuracy_relax",
    "Angle Error": "angle_rad",
}
EXAMPLE_NAMES = {
    "EPE": "epe",
    "ACCURACY_STRICT": "accuracy_strict",
    "ACCURACY_RELAX": "accuracy_relax",
    "ANGLE_ERROR": "angle_rad",
}
NEAR = 1e-9


def yes(count):
    return torch.ones(count, dtype=torch.bool)


def test_a_velocity_is_ten_times_what_it_moves_in_a_sweep():
    velocity = torch.tensor([[3.0, -4.0, 0.0]])
    assert per_sweep(velocity).tolist() == [pytest.approx([0.3, -0.4, 0.0])]
    assert per_sweep(velocity, 0.5).norm().item() == pytest.approx(2.5)


def test_hand_numbers():
    truth = torch.tensor([[0.3, 0.4, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    predicted = torch.tensor([[0.0, 0.0, 0.0], [2.15, 0.0, 0.0], [0.0, 0.04, 0.0]])
    expected = torch.tensor([0.5, 0.15, 0.04], dtype=torch.float64)
    torch.testing.assert_close(end_point_error(predicted, truth), expected, rtol=0, atol=1e-6)
    # The second is wrong by 7.5 %, the third by 4 cm.
    assert accuracy(predicted, truth, 0.05).tolist() == [0, 0, 1]
    assert accuracy(predicted, truth, 0.1).tolist() == [0, 1, 1]
    angles = angle_error(torch.tensor([[0.1, 0.0, 0.0]]), torch.zeros(1, 3))
    assert angles.item() == pytest.approx(math.pi / 4)


def test_the_border_is_close():
    points = torch.tensor([[35.0, -35.0, 9.0], [35.1, 0.0, 0.0], [0.0, -35.1, 0.0]])
    assert is_close(points).tolist() == [True, False, False]


def test_kinds_without_points_have_no_value():
    nothing = torch.zeros(0, 3)
    no = torch.zeros(0, dtype=torch.bool)
    errors = FlowErrors.of(FlowPoints(nothing, nothing, no, no, no, no, no))
    assert errors.mean("epe", "foreground", "dynamic") is None
    assert errors.three_way_epe is None
    assert errors.dynamic_iou is None


def test_the_three_kinds_count_alike():
    truth = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    predicted = torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0, 0.1, 0], [0, 0.1, 0]])
    foreground = torch.tensor([True, True, False, False])
    dynamic = torch.tensor([True, False, False, False])
    points = FlowPoints(predicted, truth, foreground, dynamic, yes(4), dynamic, yes(4))
    errors = FlowErrors.of(points)
    assert errors.three_way_epe == pytest.approx((1 + 0.3 + 0.1) / 3)
    assert errors.dynamic_iou == 1


def case_points(case, example):
    foreground = torch.tensor(case["foreground_categories"])
    return FlowPoints(
        predicted=stored_array(example["pred_flow"]),
        truth=stored_array(example["flow"]),
        foreground=torch.isin(stored_array(example["category"]), foreground),
        dynamic=stored_array(example["is_dynamic"]),
        close=stored_array(example["is_close"]),
        predicted_dynamic=stored_array(example["pred_is_dynamic"]),
        valid=stored_array(example["is_valid"]),
    )


def test_stored_points(golden_dir):
    expected = load_case(golden_dir, "scene_flow_av2")["expected"]["pointwise"]
    truth, predicted = (
        torch.tensor(expected[k], dtype=torch.float64) for k in ("truth", "prediction")
    )
    ours = {
        "epe": end_point_error(predicted, truth),
        "accuracy_strict": accuracy(predicted, truth, 0.05),
        "accuracy_relax": accuracy(predicted, truth, 0.1),
        "angle_error": angle_error(predicted, truth),
    }
    for name, values in ours.items():
        assert values.tolist() == pytest.approx(expected[name], abs=NEAR), name


def test_stored_examples(golden_dir):
    case = load_case(golden_dir, "scene_flow_av2")
    by_example = [FlowErrors.of(case_points(case, e)) for e in case["examples"]]
    rows = case["expected"]["per_example"]
    assert len(rows) == 8 * len(by_example)
    for row in rows:
        kind = (row["Class"].lower(), row["Motion"].lower(), row["Distance"] == "Close")
        errors = by_example[row["example"]]
        assert errors.count(*kind) == row["Count"]
        for theirs, ours in EXAMPLE_NAMES.items():
            value = errors.mean(ours, *kind)
            assert value == near(row[theirs])
        for theirs in ("TP", "TN", "FP", "FN"):
            assert errors.outcome(theirs.lower(), *kind) == row[theirs]


def test_stored_summary(golden_dir):
    case = load_case(golden_dir, "scene_flow_av2")
    first, *rest = [FlowErrors.of(case_points(case, e)) for e in case["examples"]]
    errors = sum(rest, start=first)
    summary = dict(case["expected"]["summary"])
    assert errors.dynamic_iou == near(summary.pop("Dynamic IoU"))
    assert errors.three_way_epe == near(summary.pop("EPE 3-Way Average"))
    assert {name.split("/")[0] for name in summary} == set(TOOL_NAMES)
    for name, value in summary.items():
        measure, ground, motion, *where = name.split("/")
        close = where[0] == "Close" if where else None
        ours = errors.mean(TOOL_NAMES[measure], ground.lower(), motion.lower(), close)
        assert ours == near(value), name
