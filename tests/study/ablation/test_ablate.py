"""A whole ablation on a tiny data set: interrupted, gone on with, refused, broken off."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.cli import main
from mim4d.config.presets import preset
from mim4d.errors import NonFiniteError
from mim4d.study.ablation import ablate as ablation_run
from mim4d.study.ablation.ablate import ablate
from mim4d.study.ablation.over_seeds import Summary
from mim4d.study.ablation.request import Ablation
from mim4d.training import train_once
from mim4d.training.modules import PretrainingModule

ROWS = ("copy", "no_drop")
RUNS = ["copy_s0", "copy_s1", "full_s0", "full_s1", "no_drop_s0"]


def _asked(data: Path, out: Path, **changes: Any) -> Ablation:
    config = preset("toy")
    optim = replace(config.optim, steps=2)
    render = replace(config.render, num_samples=4, num_importance=2, rays_per_camera=4)
    asked = Ablation(
        replace(config, optim=optim, render=render, checkpoint_every=1),
        data,
        out,
        rows=ROWS,
        seeds=(0,),
        headline_seeds=(0, 1),
        clips=1,
        stride=16,
        device="cpu",
    )
    return replace(asked, **changes)


@pytest.fixture(scope="module")
def finished(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ablation") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(cache))
        ablate(_asked(data, out))
    return out


def _trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Run and step of every step that is trained from here on."""
    steps: list[tuple[str, int]] = []
    original = PretrainingModule.training_step

    def training_step(self: Any, clip: Any, batch_idx: int) -> Any:
        steps.append((Path(self.trainer.default_root_dir).name, self.global_step))
        return original(self, clip, batch_idx)

    monkeypatch.setattr(PretrainingModule, "training_step", training_step)
    return steps


def _values(summary: Summary, row: str, measure: str) -> dict[int, float] | None:
    found = next(each for each in summary.rows if each.name == row).values[measure]
    return None if found is None else found.by_seed


@pytest.mark.slow
def test_every_row_is_trained_with_its_seeds_and_shown(finished: Path) -> None:
    assert sorted(path.name for path in (finished / "runs").iterdir()) == RUNS
    content = json.loads((finished / "ablation.json").read_text())
    rows = {row["name"]: row for row in content["rows"]}
    assert {name: row["seeds"] for name, row in rows.items()} == {
        "full": [0, 1],
        "copy": [0, 1],
        "no_drop": [0],
    }
    assert rows["no_drop"]["values"]["rebuilt"] is None
    assert rows["no_drop"]["values"]["direct"]["mean"] > 0
    assert set(rows["copy"]["differences"]["rebuilt"]["by_seed"]) == {"0", "1"}
    assert content["facts"]["num_targets"] == 1
    assert (finished / "ablation.png").stat().st_size > 5000
    assert "`no_drop`" in (finished / "ablation.md").read_text()


def test_what_is_finished_is_neither_trained_nor_measured_again(
    finished: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (finished / "ablation.json").read_text()
    steps = _trained(monkeypatch)
    monkeypatch.setattr(ablation_run, "measure_run", None)
    ablate(_asked(data, finished))
    assert steps == []
    assert (finished / "ablation.json").read_text() == before


def test_an_interrupted_ablation_goes_on_where_it_stopped(
    finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run gone, one after its first step, one trained but not measured: the same numbers."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    runs = out / "runs"
    shutil.rmtree(runs / "full_s1")
    (runs / "copy_s0" / "encoder.safetensors").unlink()
    (runs / "copy_s0" / "checkpoints" / "step-0000002.ckpt").unlink()
    (runs / "no_drop_s0" / "ablation.json").unlink()
    steps = _trained(monkeypatch)
    ablate(_asked(data, out))
    assert steps == [("copy_s0", 1), ("full_s1", 0), ("full_s1", 1)]
    old, new = (json.loads((each / "ablation.json").read_text()) for each in (finished, out))
    for a, b in zip(old["rows"], new["rows"], strict=True):
        for measure in ("rebuilt", "rebuilt_moving", "direct"):
            assert a["values"][measure] == b["values"][measure]


def test_a_table_of_what_is_there(
    finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    shutil.rmtree(out / "runs" / "full_s1")
    steps = _trained(monkeypatch)
    summary = ablate(_asked(data, out, only_table=True))
    assert steps == []
    assert set(_values(summary, "full", "rebuilt") or {}) == {0}
    difference = summary.rows[1].differences["rebuilt"]
    assert difference is not None
    assert set(difference.by_seed) == {0}


def test_other_frames_are_measured_anew_without_training(
    finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    steps = _trained(monkeypatch)
    summary = ablate(_asked(data, out, rows=("no_drop",), headline_seeds=(0,), stride=8))
    assert steps == []
    old = json.loads((finished / "ablation.json").read_text())["rows"][0]["values"]["direct"]
    assert (_values(summary, "full", "direct") or {})[0] != old["by_seed"]["0"]


def test_runs_of_another_configuration_are_refused(
    finished: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["ablate", "toy", "--data", str(data), "--out", str(finished), "--steps", "3"]
    assert main([*argv, "--rows", "copy", "--clips", "1"]) == 2
    text = capsys.readouterr().err
    assert "full_s0" in text
    assert "optim.steps (2 / 3)" in text


def test_runs_on_other_data_are_refused(finished: Path, data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    with pytest.raises(ValueError, match=r"was trained on .*tiny, not on .*other"):
        ablate(_asked(other, finished))


def test_what_is_not_a_run_is_not_touched(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "runs" / "full_s0"
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="not an empty folder"):
        ablate(_asked(data, tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["letter.txt"]


def test_a_run_that_breaks_off_does_not_stop_the_others(
    finished: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    for name in ("copy_s0", "no_drop_s0"):
        (out / "runs" / name / "ablation.json").unlink()
    original = train_once.train_unless_finished

    def train_unless_finished(config: Any, data: Path, run: Path, **options: Any) -> None:
        if run.name == "copy_s0":
            raise NonFiniteError("step 1: NaN or infinite: loss")
        original(config, data, run, **options)

    monkeypatch.setattr(ablation_run, "train_unless_finished", train_unless_finished)
    with (
        caplog.at_level(logging.INFO, "mim4d"),
        pytest.raises(ValueError, match=r"1 of 2 runs failed \(copy_s0\)"),
    ):
        ablate(_asked(data, out))
    assert "copy_s0: step 1: NaN or infinite" in caplog.text
    assert "[1/2] no_drop_s0: direct AbsRel" in caplog.text
    rows = {row["name"]: row for row in json.loads((out / "ablation.json").read_text())["rows"]}
    assert rows["copy"]["seeds"] == [1]
    assert rows["no_drop"]["seeds"] == [0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jobs": 0}, "--jobs 0"),
        ({"seeds": (0, 0)}, "--seeds 0 0"),
        ({"headline_seeds": ()}, "--headline-seeds"),
        ({"rows": ("ful",)}, "did you mean 'full'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _asked(Path("x"), Path("y"), **changes)
