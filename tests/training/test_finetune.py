"""Runs of a task on a tiny data set: the same loop as pre-training, from labels to an IoU."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import mim4d
from mim4d.build.tasks import build_task
from mim4d.cli import main
from mim4d.config import OptimConfig, TaskConfig
from mim4d.config.augment import AugmentConfig
from mim4d.config.presets import preset, task_on_run, task_preset
from mim4d.data.splits import SceneChoice
from mim4d.errors import DataError, NonFiniteError
from mim4d.evaluation.asked_clips import ask_run
from mim4d.evaluation.task import evaluate_task
from mim4d.runs.checkpoint import checkpoint_path, latest_checkpoint
from mim4d.runs.loading import load_task
from mim4d.tasks.hd_map import HdMap
from mim4d.tasks.vehicles import Vehicles
from mim4d.training import finetune as finetuning
from mim4d.training.loop import pretrain
from mim4d.training.modules import TaskModule
from mim4d.training.nonfinite import load_batch
from tests.data.tiny_dataset import edit_table
from tests.toy import toy_config

_AUGMENT = AugmentConfig(image_scale=(0.9, 1.3), image_flip=0.5, bev_rotation_deg=30.0)
FINETUNE = ["finetune", "vehicles", "toy", "--data", "DATA", "--init"]
_ONE_SCENE = SceneChoice(names=("tiny-0",))


def _config(steps: int = 6, **changes: Any) -> TaskConfig:
    config = replace(task_preset("toy", "vehicles"), checkpoint_every=3, **changes)
    return replace(config, optim=OptimConfig(steps=steps, warmup_steps=1))


def _finetune(
    config: TaskConfig, data: Path, run: Path, init: Path | None = None, **options: Any
) -> list[dict[str, Any]]:
    finetuning.finetune(
        config, data, run, init=init, device="cpu", workers=0, progress=False, **options
    )
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def pretrained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = tmp_path_factory.mktemp("runs") / "pretrained"
        config = replace(toy_config(), optim=OptimConfig(steps=1, warmup_steps=0))
        pretrain(config, data, run, device="cpu", workers=0, progress=False)
    return run


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the clips of one scene."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = tmp_path_factory.mktemp("runs") / "finished"
        config = replace(task_preset("toy", "vehicles"), checkpoint_every=20)
        optim = OptimConfig(steps=20, lr=1e-2, warmup_steps=2, clip_norm=5.0)
        _finetune(replace(config, optim=optim), data, run, scenes=_ONE_SCENE)
    return run


def test_it_learns_and_is_evaluated(finished: Path, data: Path) -> None:
    losses = [json.loads(line)["loss"] for line in (finished / "metrics.jsonl").open()]
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])
    with pytest.raises(ValueError, match=r"labels of 1 of the 1 scenes .*tiny-0.*--allow-train"):
        evaluate_task(finished, data, scenes=_ONE_SCENE)
    evaluation = evaluate_task(finished, data, scenes=_ONE_SCENE, allow_training_scenes=True)
    assert not evaluation.held_out
    assert "5 clips of 1 TRAINING scene" in evaluation.table()
    stored = json.loads((finished / "evaluation.json").read_text())
    assert stored["rows"] == evaluation.rows
    assert stored["rows"]["visible vehicles"]["true cells"] > 0
    other = evaluate_task(finished, data, scenes=SceneChoice(names=("tiny-1",)), save=False)
    assert other.held_out


def test_a_run_is_asked_about_clips(finished: Path, data: Path) -> None:
    """Spread over the scenes; answers are the model's; what was trained on is said."""
    both = SceneChoice(names=("tiny-0", "tiny-1"))
    task, asked = ask_run(finished, data, Vehicles, clips=2, scenes=both)
    seen = list(asked)
    assert [one.clip.scene_names[0] for one in seen] == ["tiny-0", "tiny-1"]
    assert [one.trained_on for one in seen] == [True, False]
    assert ["TRAINING" in one.title for one in seen] == [True, False]
    model, _, _ = load_task(finished)
    with torch.no_grad():
        assert torch.equal(seen[1].answer, task.decode(model(seen[1].clip)))
    with pytest.raises(ValueError, match="holds a run of the task vehicles, not of HdMap"):
        ask_run(finished, data, HdMap, clips=2, scenes=both)
    with pytest.raises(ValueError, match="--clips 0: expected at least 1"):
        ask_run(finished, data, Vehicles, clips=0, scenes=both)


def test_the_folder_is_that_of_a_task(finished: Path) -> None:
    record = json.loads((finished / "record.json").read_text())
    assert (record["kind"], record["init"]) == ("task", None)
    model, _, config = load_task(finished)
    assert (config.task, config.preset) == ("vehicles", "toy")
    encoder = mim4d.load_encoder(finished).state_dict()
    assert encoder.keys() == model.encoder.state_dict().keys()
    assert all(torch.equal(v, encoder[k]) for k, v in model.encoder.state_dict().items())


class _Killed(Exception):
    """Stands for kill -9."""


@pytest.mark.parametrize("micro_steps", [1, 2])
@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(
    data: Path, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micro_steps: int
) -> None:
    """With augmentation, stochastic depth, averaged weights, and one or more micro-steps."""
    config = _config(augment=_AUGMENT)
    config = replace(
        config,
        encoder=replace(config.encoder, drop_path_rate=0.5),
        optim=replace(config.optim, ema_momentum=0.1, accumulate=micro_steps),
    )
    whole = _finetune(config, data, tmp_path / "whole", pretrained)
    original: Callable[..., Any] = TaskModule.training_step

    def training_step(self: Any, clip: Any, batch_idx: int) -> Any:
        if self.global_step == 5:
            raise _Killed
        return original(self, clip, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TaskModule, "training_step", training_step)
        with pytest.raises(_Killed):
            _finetune(config, data, tmp_path / "killed", pretrained)
    assert latest_checkpoint(tmp_path / "killed") == checkpoint_path(tmp_path / "killed", 3)
    resumed = _finetune(config, data, tmp_path / "killed", pretrained, resume=True)
    assert resumed == whole
    for raw in (False, True):
        a, b = (load_task(tmp_path / run, raw=raw)[0].state_dict() for run in ("whole", "killed"))
        assert all(torch.equal(value, b[name]) for name, value in a.items())


@pytest.mark.slow
def test_a_frozen_trunk_is_left_as_it_was(data: Path, pretrained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    before = load_file(pretrained / "encoder.safetensors")
    config = _config(steps=3, frozen="trunk")
    config = replace(config, optim=replace(config.optim, ema_momentum=0.1, weight_decay=0.5))
    _finetune(config, data, run, pretrained)
    after = load_file(run / "encoder.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    torch.manual_seed(config.seed)
    start = build_task(config)[1].head.state_dict()
    head = load_task(run)[0].head.state_dict()
    assert all(not torch.equal(value, start[name]) for name, value in head.items())


@pytest.mark.slow
def test_a_trunk_that_is_not_frozen_moves_and_starts_at_the_source(
    data: Path, pretrained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run, config = tmp_path / "run", _config(steps=1)
    config = replace(config, optim=replace(config.optim, lr=1e-12, weight_decay=0.0))
    _finetune(config, data, run, pretrained)
    before, after = (load_file(each / "encoder.safetensors") for each in (pretrained, run))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-9, rtol=1e-6)
    assert "image encoder        58 taken    0 left    0 new" in caplog.text
    assert "the task vehicles is learned from labels, by trunk and head" in caplog.text
    assert json.loads((run / "record.json").read_text())["init"] == str(pretrained.resolve())
    with pytest.raises(ValueError, match=r"init \(.*pretrained / None\)"):
        _finetune(config, data, run, resume=True)


def test_a_task_s_run_can_be_fine_tuned_on(data: Path, finished: Path, tmp_path: Path) -> None:
    assert _finetune(_config(steps=1), data, tmp_path / "more", finished)


@pytest.mark.slow
def test_a_step_that_is_not_finite_stops(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., Any] = TaskModule.step_losses

    def step_losses(self: Any, clip: Any, step: int, places: range | None = None) -> Any:
        losses = original(self, clip, step, places)
        return losses if step < 1 else losses | {"loss": losses["loss"] * float("nan")}

    monkeypatch.setattr(TaskModule, "step_losses", step_losses)
    with pytest.raises(NonFiniteError, match="step 1: NaN or infinite: loss, grad_norm"):
        _finetune(_config(), data, tmp_path / "run")
    clip, _ = load_batch(tmp_path / "run/nan/step-0000001-rank-0.pt")
    assert clip.category_names == ("movable_object.barrier", "vehicle.car")


def test_data_without_vehicles_leave_nothing(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    edit_table(tmp_path / "data", "category", lambda rows: rows[1].update(name="animal"))
    with pytest.raises(DataError, match="the task vehicles needs boxes of vehicles"):
        _finetune(_config(), tmp_path / "data", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["render", "TASK", "--data", "DATA"], "a task's run; `mim4d predict` draws"),
        (["export", "TASK", "--to", "timm"], "is the run of a task; a pre-training is needed here"),
        (
            ["pretrain", "toy", "--data", "DATA", "--out", "NEW", "--start-from", "TASK"],
            "is the run of a task; a pre-training is needed here",
        ),
        (
            ["pretrain", "toy", "--data", "DATA", "--out", "TASK", "--resume"],
            "another kind (task) than `mim4d pretrain` trains",
        ),
        (
            [*FINETUNE, "none", "--out", "PRETRAINED", "--resume"],
            "another kind (pretraining) than `mim4d finetune vehicles` trains",
        ),
        (
            [*FINETUNE, "PRETRAINED", "--out", "NEW", "--encoder.neck-channels", "16"],
            "have another shape",
        ),
        (
            [*FINETUNE, "none", "--out", "NEW", "--encoder.frozen-stages", "1"],
            "This preset freezes its first stage, so it needs weights: pass --encoder.weights-file "
            "or --init RUN, or --encoder.frozen-stages 0.",
        ),
    ],
)
def test_what_does_not_belong_together_is_one_line(
    argv: list[str],
    part: str,
    finished: Path,
    pretrained: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"TASK": finished, "PRETRAINED": pretrained, "DATA": data, "NEW": tmp_path / "new"}
    assert main([str(places.get(word, word)) for word in argv]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert part in errors[0]
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_run_in_the_place_of_a_preset_gives_its_trunk(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    toy = toy_config()
    other = replace(toy, encoder=replace(toy.encoder, neck_channels=24))
    run, rest = tmp_path / "pretrained", ["--data", str(data), "--device", "cpu", "--workers", "0"]
    optim = OptimConfig(steps=1, warmup_steps=0)
    pretrain(replace(other, optim=optim), data, run, device="cpu", workers=0, progress=False)
    by_preset = ["finetune", "vehicles", "toy", "--init", str(run), "--out", str(tmp_path / "no")]
    assert main([*by_preset, *rest]) == 2
    assert "as in `mim4d finetune TASK RUN`" in capsys.readouterr().err
    task = tmp_path / "task"
    assert main(["finetune", "vehicles", str(run), "--out", str(task), *rest]) == 0
    shown = next(text for text in caplog.messages if text.startswith(f"from {run}:"))
    assert all(line.endswith(" 0 left    0 new") for line in shown.splitlines()[1:-1])
    assert load_task(task)[2].encoder == other.encoder
    assert main(["finetune", "vehicles", str(task), "--out", str(tmp_path / "no"), *rest]) == 2
    assert "is the run of a task" in capsys.readouterr().err


def test_the_task_of_a_run_without_lidar_reads_none() -> None:
    run = preset("demo_no_lidar")
    task = task_on_run(run, "hd_map")
    usual = task_preset("demo", "hd_map")
    assert (task.encoder, task.lift, task.grid) == (run.encoder, run.lift, run.grid)
    assert (task.clip.frames, task.clip.lidar) == (1, None)
    assert (task.head, task.optim) == (usual.head, usual.optim)


@pytest.mark.slow
def test_from_the_command_line_to_an_iou(
    data: Path, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, held_out = tmp_path / "run", ["--scenes", "tiny-1"]
    argv = ["finetune", "vehicles", "toy", "--init", str(pretrained), "--data", str(data)]
    argv += ["--out", str(run), "--workers", "0", "--device", "cpu", "--optim.steps", "2"]
    assert main([*argv, "--scene-fraction", "0.5", "--scene-seed", "1", "--head.hidden", "8"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(run)]
    argv = ["evaluate", str(run), "--data", str(data), "--clips", "3"]
    assert main([*argv, *held_out, "--json", str(tmp_path / "scores.json")]) == 0
    out = capsys.readouterr().out
    head = out.splitlines()[0].split()
    assert head == ["task", "vehicles", "IoU", "within", "16", "m", "beyond", "true", "cells"]
    assert "3 clips of 1 held-out scene" in out
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores == json.loads((run / "evaluation.json").read_text())
    assert set(scores["rows"]) == {"visible vehicles", "all vehicles"}
    config = ["finetune", "vehicles", str(run / "config.json"), "--init", str(pretrained)]
    config += ["--data", str(data), "--out", str(run), "--resume", "--workers", "0"]
    assert main([*config, "--scenes", "tiny-0"]) == 0
