"""Captions of the demo's report belong to their pictures."""

import math
from pathlib import Path
from typing import Any

import pytest

from mim4d.cli import run_demo
from mim4d.cli.run_demo import picture_caption, strip_pictures
from mim4d.viz.strip import Strip


def test_each_strip_has_its_own_error_and_place() -> None:
    errors = {"scene-1": 0.25, "scene-2": 0.5, "scene-3": 0.125, "scene-4": math.nan}
    strips = [Strip(Path(f"{name}.jpg"), name, e, "LiDAR") for name, e in errors.items()]
    captions = {picture.path.stem: picture.caption for picture in strip_pictures(strips)}
    assert captions["scene-1"].startswith("scene-1: rendered distances are off by 25% ")
    assert "(number 2 from the best of these 3)" in captions["scene-1"]
    assert "(the worst of these 3)" in captions["scene-2"]
    assert "(the best of these 3)" in captions["scene-3"]
    assert captions["scene-3"].endswith("truth: LiDAR.")
    assert captions["scene-4"].startswith("scene-4: no true distance is known here.")


def test_a_picture_of_what_moves_is_not_called_one_of_distances() -> None:
    flow = picture_caption(Path("0011-scene-8001-flow.png"))
    assert flow.startswith("Moving objects in scene-8001, seen from above")
    assert picture_caption(Path("0011-scene-8001.png")).startswith(
        "One clip of scene-8001 in detail"
    )


def test_the_demo_shows_how_far_its_evaluation_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluate_run(run: Path, data: Path, **options: Any) -> None:
        options["progress"](1, options["max_clips"])
        raise InterruptedError

    for name in ("_make_world", "_train"):
        monkeypatch.setattr(run_demo, name, lambda *_: None)
    monkeypatch.setattr(run_demo, "evaluate_run", evaluate_run)
    with pytest.raises(InterruptedError):
        run_demo.run_demo(tmp_path, scenes=1, held_out=4, seed=0, steps=None)
    assert "evaluate: clip 1 of 12" in capsys.readouterr().err
