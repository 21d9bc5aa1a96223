import json
from pathlib import Path

import numpy as np
from PIL import Image

from mim4d.viz.curves import draw_curves, running_mean


def write_metrics(run: Path, steps: int) -> None:
    run.mkdir(parents=True, exist_ok=True)
    lines = [
        {"step": i, "loss": 10 / (i + 1), "distance": 5.0, "colour": 0.1, "seconds": 2}
        for i in range(steps)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_running_mean_by_hand() -> None:
    values = np.array([1.0, 2.0, 6.0, np.nan, 4.0])
    np.testing.assert_allclose(running_mean(values, 1), values)
    np.testing.assert_allclose(running_mean(values, 3), [1.5, 3.0, 4.0, 5.0, 4.0])


def test_curves_are_drawn(tmp_path: Path) -> None:
    write_metrics(tmp_path, 30)
    with Image.open(draw_curves(tmp_path, tmp_path / "curves.png")) as picture:
        assert picture.size == (1560, 410)


def test_single_values_between_missing_ones_are_joined(tmp_path: Path) -> None:
    """Every second step teaches depth alone and has no loss; those of the others go up and down."""

    def drawn(name: str, gaps: bool) -> int:
        lines = [
            {"step": i, "depth_alone": 2.0} if gaps and i % 2 else {"step": i, "loss": i // 2 % 2}
            for i in range(200)
        ]
        run = tmp_path / name
        run.mkdir()
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        with Image.open(draw_curves(run, run / "curves.png")) as picture:
            panel = np.asarray(picture.convert("L").crop((100, 60, 480, 320)))
            return int((panel < 240).sum())

    whole, with_gaps = drawn("whole", gaps=False), drawn("gaps", gaps=True)
    assert with_gaps > 0.8 * whole


def test_what_the_depth_head_learns_has_a_panel(tmp_path: Path) -> None:
    def width(name: str, step: dict[str, float]) -> int:
        run = tmp_path / name
        run.mkdir()
        lines = [json.dumps({"step": i, "loss": 1.0, **step}) + "\n" for i in range(4)]
        (run / "metrics.jsonl").write_text("".join(lines))
        with Image.open(draw_curves(run, run / "curves.png")) as picture:
            return picture.width

    assert width("alone", {"depth_alone": 2.0}) == width("whole", {"depth": 2.0})
    assert width("whole_too", {"depth": 2.0}) > width("none", {})
