"""Runs that differ in how a step is dealt out: micro-steps, processes, averages, a bad step."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import mim4d
from mim4d.build.tasks import build_task
from mim4d.cli import main
from mim4d.config import OptimConfig, PretrainConfig
from mim4d.config.as_json import config_to_json
from mim4d.config.augment import AugmentConfig
from mim4d.config.head import QueryHeadConfig
from mim4d.config.presets import task_preset
from mim4d.data.clip import Clip, collate
from mim4d.errors import NonFiniteError
from mim4d.runs.checkpoint import AVERAGED, checkpoint_path, load_checkpoint
from mim4d.runs.loading import load_model
from mim4d.training import loop
from mim4d.training.averaging import averaging_share
from mim4d.training.modules import PretrainingModule, TaskModule
from mim4d.training.nonfinite import StepBatches, check_finite, load_batch
from tests.tasks.scene import Box, clip_with
from tests.toy import toy_clip, toy_config

pytestmark = pytest.mark.slow  # whole runs

_AUGMENT = AugmentConfig(image_scale=(0.9, 1.2), image_flip=0.5, brightness=0.2)


def _config(**optim: Any) -> PretrainConfig:
    """Three steps, the second of the depth head alone: then some weights have no gradient."""
    config = replace(toy_config(), augment=_AUGMENT, checkpoint_every=2)
    loss = replace(config.loss, depth_weight=1.0, depth_alone_share=0.5)
    config = replace(config, loss=loss)
    return replace(config, optim=OptimConfig(**{"steps": 3, "warmup_steps": 1, **optim}))


def _pretrain(config: PretrainConfig, data: Path, run: Path, **options: Any) -> None:
    loop.pretrain(config, data, run, device="cpu", workers=0, progress=False, **options)


def _metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def _weights(run: Path, step: int = 3, key: str = "state_dict") -> dict[str, Tensor]:
    weights: dict[str, Tensor] = load_checkpoint(checkpoint_path(run, step))[key]
    return weights


def _equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _assert_same_training(run: Path, other: Path) -> None:
    """Sums are taken in another order, so equal but for rounding."""
    for a, b in zip(_metrics(run), _metrics(other), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    a, b = _weights(run), _weights(other)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def batch_of_two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, both clips of a step at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = tmp_path_factory.mktemp("runs") / "two"
        _pretrain(_config(batch_size=2), data, run)
    return run


def test_two_micro_steps_equal_a_batch_of_two(
    data: Path, tmp_path: Path, batch_of_two: Path
) -> None:
    run = tmp_path / "run"
    _pretrain(_config(accumulate=2), data, run)
    assert [line["step"] for line in _metrics(run)] == [0, 1, 2]
    _assert_same_training(run, batch_of_two)
    # Resumed in the middle: bit for bit, and what remains is not started in the middle of a step.
    before, lines = _weights(run), _metrics(run)
    checkpoint_path(run, 3).unlink()
    _pretrain(_config(accumulate=2), data, run, resume=True)
    assert _metrics(run) == lines
    assert _equal(_weights(run), before)


def test_two_processes_equal_one_with_the_doubled_batch(
    data: Path, tmp_path: Path, batch_of_two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(config_to_json(_config()))
    command = [sys.executable, "-m", "mim4d.cli", "pretrain", str(tmp_path / "config.json")]
    command += ["--data", str(data), "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = subprocess.run(
        [*command, "--workers", "0", "--devices", "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "run")]
    assert "3 steps of 2 clips (1 clip(s) × 2 processes)" in done.stderr
    assert json.loads((tmp_path / "run" / "record.json").read_text())["processes"] == 2
    _assert_same_training(tmp_path / "run", batch_of_two)
    assert mim4d.load_encoder(tmp_path / "run")
    assert main([*command[3:], "--workers", "0", "--resume"]) == 2
    assert "processes (2 / 1)" in capsys.readouterr().err


def test_two_processes_divide_by_the_boxes_of_both() -> None:
    """Two ranks of gloo, each with a clip in a thread of its own, against a batch of both clips."""
    head = QueryHeadConfig(num_queries=8, layers=1, heads=2, hidden=16, dropout=0.0)
    config = replace(task_preset("toy", "detection"), head=head)
    clips = clip_with(Box(9, 3), Box(-12, -8), Box(4, -6)), clip_with(Box(-3, 10), seed=1)

    def module(processes: int) -> TaskModule:
        torch.manual_seed(0)
        task, model = build_task(config)
        return TaskModule(model, task, config, processes)

    def grown(module: TaskModule, clip: Clip) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient."""
        loss = module.step_losses(clip, 0)["loss"]
        loss.backward()
        gradients = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
        return loss.detach(), torch.cat(gradients)

    store: Any = torch.distributed.HashStore()  # type: ignore[attr-defined]
    modules = module(2), module(2)

    def rank(number: int) -> tuple[Tensor, Tensor]:
        group: Any = torch.distributed.ProcessGroupGloo(store, number, 2, timedelta(seconds=60))

        def reduce(values: Tensor, reduce_op: str) -> Tensor:
            assert reduce_op == "sum"
            group.allreduce([values]).wait()
            return values

        trainer: Any = SimpleNamespace(strategy=SimpleNamespace(reduce=reduce))
        modules[number]._trainer = trainer
        return grown(modules[number], clips[number])

    with ThreadPoolExecutor(2) as threads:
        (loss_a, gradient_a), (loss_b, gradient_b) = threads.map(rank, range(2))
    loss, gradient = grown(module(1), collate(list(clips)))
    torch.testing.assert_close((loss_a + loss_b) / 2, loss)
    torch.testing.assert_close((gradient_a + gradient_b) / 2, gradient, rtol=1e-3, atol=1e-5)


def test_averaged_weights_are_used_and_resumed_exactly(data: Path, tmp_path: Path) -> None:
    run, config = tmp_path / "run", _config(ema_momentum=0.5)
    _pretrain(config, data, run)
    raw, averaged = _weights(run), _weights(run, key=AVERAGED)
    assert not _equal(raw, averaged)
    # The last step moved the average of the checkpoint before it by its own share.
    before = _weights(run, 2, AVERAGED)
    for name, value in averaged.items():
        expected = torch.lerp(before[name], raw[name], averaging_share(2, 0.5))
        torch.testing.assert_close(value, expected)
    names = {name.removeprefix("model."): name for name in raw}
    model, encoder = load_model(run)[0].state_dict(), mim4d.load_encoder(run).state_dict()
    assert all(torch.equal(value, averaged[names[name]]) for name, value in model.items())
    assert all(torch.equal(v, averaged[f"model.encoder.{name}"]) for name, v in encoder.items())
    plain = load_model(run, raw=True)[0].state_dict()
    assert all(torch.equal(value, raw[names[name]]) for name, value in plain.items())
    checkpoint_path(run, 3).unlink()
    _pretrain(config, data, run, resume=True)
    assert _equal(_weights(run), raw)
    assert _equal(_weights(run, key=AVERAGED), averaged)


def _poison(bad_step: int, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]) -> None:
    """One clip of a step gives losses that are not finite."""
    original: Callable[..., Any] = PretrainingModule.step_losses

    def step_losses(self: Any, clip: Any, step: int, places: range | None = None) -> Any:
        losses = original(self, clip, step, places)
        if step == bad_step and places == range(1, 2):
            losses |= {name: losses[name] * float("nan") for name in names}
        return losses

    monkeypatch.setattr(PretrainingModule, "step_losses", step_losses)


def test_a_step_that_is_not_finite_stops_before_the_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = tmp_path / "run", _config(accumulate=2)
    kept: dict[str, Tensor] = {}
    with monkeypatch.context() as patch:
        _poison(2, patch, ("loss", "colour"))
        original = PretrainingModule.configure_gradient_clipping

        def clip_gradients(self: Any, *arguments: Any, **keywords: Any) -> None:
            try:
                original(self, *arguments, **keywords)
            except NonFiniteError:
                kept.update({k: v.clone() for k, v in self.state_dict().items()})
                raise

        patch.setattr(PretrainingModule, "configure_gradient_clipping", clip_gradients)
        (tmp_path / "config.json").write_text(config_to_json(config))
        argv = ["pretrain", str(tmp_path / "config.json"), "--data", str(data), "--out", str(run)]
        assert main([*argv, "--device", "cpu", "--workers", "0"]) == 2
    text = capsys.readouterr().err
    path = run / "nan" / "step-0000002-rank-0.pt"
    assert "step 2: NaN or infinite: loss, colour, grad_norm" in text
    assert str(path) in text
    assert "Traceback" not in text
    assert text.splitlines()[-1].startswith("mim4d: error: step 2")  # not behind the progress bar
    clip, facts = load_batch(path)
    # Only the second of the step's two clips.
    assert clip.batch_size == 1
    assert clip.key_tokens[0] in text
    assert (facts["step"], facts["seed"], facts["rank"]) == (2, 0, 0)
    assert facts["losses"][0]["loss"] != facts["losses"][0]["loss"]
    assert facts["losses"][0]["distance"] > 0
    # The weights are those after step 2, which the checkpoint holds; the run goes on from there.
    assert _equal(kept, _weights(run, 2))
    assert [line["step"] for line in _metrics(run)] == [0, 1]
    assert list(run.rglob(".*")) == []
    _pretrain(config, data, run, resume=True)
    assert [line["step"] for line in _metrics(run)] == [0, 1, 2]


def test_a_batch_saved_before_boxes_said_more_still_loads(tmp_path: Path) -> None:
    clip = toy_clip(0)
    newer = ("box_lidar_points", "box_visibility", "category_names", "on_body", "maps", "in_sky")
    kept = {f.name: getattr(clip, f.name) for f in fields(clip) if f.name not in newer}
    boxes = {"boxes_ref": (9,), "valid_boxes": (), "valid_velocities": ()}
    kept |= {name: getattr(clip, name).new_zeros(1, 3, 2, *of) for name, of in boxes.items()}
    kept["box_classes"] = torch.tensor([[[0, 3], [-1, -1], [1, -1]]])
    torch.save({"step": 7, "clip": kept}, tmp_path / "old.pt")
    loaded, facts = load_batch(tmp_path / "old.pt")
    assert facts == {"step": 7}
    assert loaded.category_names == ("class 0", "class 1", "class 2", "class 3")
    assert loaded.box_lidar_points.eq(-1).all()
    assert loaded.box_visibility.eq(0).all()
    assert torch.equal(loaded.images, clip.images)


def test_maps_and_surfaces_are_left_out_of_a_saved_batch(tmp_path: Path) -> None:
    bad = torch.tensor(torch.nan)
    batches = StepBatches(3, 0, 0, [clip_with(Box(5.0, 3.0))], [{"loss": bad}])
    with pytest.raises(NonFiniteError, match="step 3"):
        check_finite({"loss": float("nan")}, batches, tmp_path)
    clip, _ = load_batch(tmp_path / "nan/step-0000003-rank-0.pt")
    assert clip.maps is None
    assert clip.surfaces is None


def test_another_file_is_no_saved_batch(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="not a batch saved from a step"):
        load_batch(tmp_path / "x.pt")
