"""Numbers of one run, by hand, and when those that were kept still count."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.study.ablation.measure import (
    MEASURED_FILE,
    MEASURES,
    Measuring,
    numbers_of,
    read_measured,
    seconds_per_step,
)

HOW = Measuring(Path("world"), ("sample1", "sample2"), stride=8)


def _row(abs_rel: float, moving: float | None) -> dict[str, Any]:
    part = None if moving is None else {"abs_rel": moving}
    parts = {"moving": part, "road": {"abs_rel": 0.05}, "obstacles": {"delta_1": 0.4}}
    errors = {"abs_rel": abs_rel, "rmse": 4.0, "rmse_log": 0.3, "log_bias": -0.1, "delta_1": 0.7}
    return {**errors, "psnr_db": 15.0, "metric": parts}


def test_all_numbers_of_a_run_with_flow() -> None:
    rows = {"direct": _row(0.3, 0.9), "rebuilt": _row(0.2, 0.8), "depth_head": {"delta_1": 0.75}}
    flow = {"normalised_epe": 0.7, "median_angle_deg": 20.0, "mean_angle_deg": 35.0}
    masked = {"rows": {"direct": {"delta_1": 0.6}}}
    evaluation = {"rows": rows, "flow": flow, "masked": masked}
    assert numbers_of({"evaluation": evaluation, "seconds_per_step": 0.4}) == {
        "rebuilt": 0.2,
        "rebuilt_moving": 0.8,
        "direct": 0.3,
        "direct_rmse": 4.0,
        "direct_rmse_log": 0.3,
        "direct_bias": 0.1,
        "direct_delta": 0.7,
        "depth_head_delta": 0.75,
        "direct_road": 0.05,
        "direct_obstacles_delta": 0.4,
        "direct_psnr": 15.0,
        "hidden_delta": 0.6,
        "flow_epe": 0.7,
        "flow_angle": 20.0,
        "downstream": None,
        "seconds_per_step": 0.4,
    }


def test_what_a_run_does_not_have_is_none() -> None:
    """No frame is rebuilt, nothing moves, no flow is looked for."""
    content = {
        "evaluation": {"rows": {"direct": _row(0.3, None)}, "flow": None, "masked": None},
        "seconds_per_step": 0.4,
    }
    known = {name for name, value in numbers_of(content).items() if value is not None}
    assert known == {"seconds_per_step"} | {m.name for m in MEASURES if "direct" in m.name}


@pytest.mark.parametrize(("seconds", "expected"), [([9, 9, 1, 2, 6], 3.0), ([4, 6], 5.0)])
def test_seconds_are_a_mean_without_the_first_steps(
    tmp_path: Path, seconds: list[float], expected: float
) -> None:
    lines = [json.dumps({"step": i, "seconds": s}) for i, s in enumerate(seconds)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert seconds_per_step(tmp_path) == expected


def test_kept_numbers_count_for_the_same_frames_of_a_finished_run(tmp_path: Path) -> None:
    text = json.dumps({"settings": HOW.settings()})
    (tmp_path / MEASURED_FILE).write_text(text)
    assert read_measured(tmp_path, HOW) is None
    (tmp_path / "encoder.safetensors").touch()
    assert read_measured(tmp_path, HOW) == {"settings": HOW.settings()}
    assert read_measured(tmp_path, replace(HOW, stride=4)) is None
    assert read_measured(tmp_path, replace(HOW, targets=("sample1",))) is None
    assert read_measured(tmp_path, replace(HOW, data=Path("other"))) is None
