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
