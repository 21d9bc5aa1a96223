"""Whole runs on a tiny data set: resume, overfit, what is left behind, and what is refused."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import mim4d
from mim4d.build.data import build_dataset
from mim4d.build.trunk import build_image_encoder
from mim4d.cli import main
from mim4d.config import OptimConfig, PretrainConfig
from mim4d.config.as_json import config_to_json
from mim4d.config.augment import AugmentConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.runs.checkpoint import AtomicCheckpointIO, checkpoint_path, latest_checkpoint
from mim4d.runs.loading import load_model
from mim4d.runs.record import was_trained_on
from mim4d.training import loop
from mim4d.training.modules import PretrainingModule
from tests.data.tiny_dataset import edit_table, set_row, write_tiny_dataset
from tests.toy import toy_config

pytestmark = pytest.mark.slow  # whole runs

_AUGMENT = AugmentConfig(
    image_scale=(0.9, 1.3),
    image_flip=0.5,
    brightness=0.2,
    hue_deg=10.0,
    bev_rotation_deg=30.0,
    bev_scale=(0.9, 1.1),
    bev_flip_y=0.5,
)


def _config(steps: int = 6, **changes: Any) -> PretrainConfig:
    config = replace(toy_config(), optim=OptimConfig(steps=steps, warmup_steps=1), **changes)
    return replace(config, checkpoint_every=3)


def _pretrain(
    config: PretrainConfig, data: Path, run: Path, **options: Any
) -> list[dict[str, Any]]:
    loop.pretrain(config, data, run, device="cpu", workers=0, progress=False, **options)
    return _metrics(run)


def _metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run, shared by the tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = tmp_path_factory.mktemp("runs") / "unbroken"
        _pretrain(_config(), data, run)
    return run


class _Killed(Exception):
    """Stands for kill -9: nothing of ours may catch it and tidy up."""


def _kill_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., Any] = PretrainingModule.training_step

    def training_step(self: Any, clip: Any, batch_idx: int) -> Any:
        if self.global_step == steps:
            raise _Killed
        return original(self, clip, batch_idx)

    monkeypatch.setattr(PretrainingModule, "training_step", training_step)


@pytest.mark.parametrize(
    ("drop_path_rate", "augment", "depth_alone"),
    [(0.0, AugmentConfig(), 0.0), (0.5, _AUGMENT, 0.0), (0.0, _AUGMENT, 0.7)],
)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drop_path_rate: float,
    augment: AugmentConfig,
    depth_alone: float,
) -> None:
    config = _config(augment=augment)
    loss = replace(config.loss, depth_weight=1.0, depth_alone_share=depth_alone)
    config = replace(config, loss=loss)
    config = replace(config, encoder=replace(config.encoder, drop_path_rate=drop_path_rate))
    whole = _pretrain(config, data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        _kill_after(5, patch)
        with pytest.raises(_Killed):
            _pretrain(config, data, tmp_path / "killed")
    assert latest_checkpoint(tmp_path / "killed") == checkpoint_path(tmp_path / "killed", 3)
    assert len(_metrics(tmp_path / "killed")) == 5
    resumed = _pretrain(config, data, tmp_path / "killed", resume=True)
    assert resumed == whole
    a, b = (
        mim4d.load_encoder(tmp_path / name).state_dict().values() for name in ("whole", "killed")
    )
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_run_folder_tells_what_was_run(unbroken: Path, data: Path) -> None:
    record = json.loads((unbroken / "record.json").read_text())
    assert record["seed"] == 0
    assert record["data"] == str(data.resolve())
    assert record["packages"]["torch"] == torch.__version__.split("+")[0]
    assert json.loads((unbroken / "config.json").read_text())["preset"] == "toy"
    assert any((unbroken / "tensorboard").iterdir())
    assert [line["step"] for line in _metrics(unbroken)] == list(range(6))
    assert list(unbroken.rglob(".*")) == []


def test_the_encoder_is_used_in_three_lines(unbroken: Path, data: Path) -> None:
    encoder = mim4d.load_encoder(unbroken)
    features = encoder.encode_images(torch.rand(2, 3, 64, 96))
    assert features[0].shape == (2, 8, 8, 12)
    clip = NuscenesDataset(data, frames=3, image_hw=(64, 96))[0]
    assert encoder(clip).shape == (1, 3, 8, 4, 16, 16)


def test_one_clip_can_be_overfitted(data: Path, tmp_path: Path) -> None:
    config = _config(steps=60)
    config = replace(config, optim=replace(config.optim, lr=5e-3), checkpoint_every=60)
    losses = [line["loss"] for line in _pretrain(config, data, tmp_path / "run", overfit=1)]
    first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
    assert last < 0.75 * first


def test_loader_workers_change_nothing(data: Path, tmp_path: Path, unbroken: Path) -> None:
    loop.pretrain(_config(), data, tmp_path / "run", device="cpu", workers=2, progress=False)
    assert _metrics(tmp_path / "run") == _metrics(unbroken)


def test_augmentation_changes_the_losses_and_no_evaluation(
    data: Path, tmp_path: Path, unbroken: Path
) -> None:
    changed = _pretrain(_config(augment=_AUGMENT), data, tmp_path / "run")
    assert [line["loss"] for line in changed] != [line["loss"] for line in _metrics(unbroken)]
    plain, augmented = (
        build_dataset(_config(augment=a), data, "val")[0] for a in (AugmentConfig(), _AUGMENT)
    )
    assert torch.equal(plain.images, augmented.images)
    assert torch.equal(plain.ref_from_camera, augmented.ref_from_camera)


def test_an_existing_run_is_not_overwritten(data: Path, unbroken: Path) -> None:
    before = (unbroken / "metrics.jsonl").read_text()
    with pytest.raises(ValueError, match="--resume"):
        _pretrain(_config(), data, unbroken)
    assert (unbroken / "metrics.jsonl").read_text() == before


def test_resuming_with_other_options_is_refused(data: Path, unbroken: Path) -> None:
    with pytest.raises(ValueError, match=r"optim\.steps \(6 / 7\)"):
        _pretrain(_config(steps=7), data, unbroken, resume=True)


def test_a_run_starts_from_the_model_of_another(data: Path, unbroken: Path, tmp_path: Path) -> None:
    config = replace(_config(steps=1), seed=5)
    config = replace(config, optim=replace(config.optim, lr=1e-12))
    _pretrain(config, data, tmp_path / "next", start_from=unbroken)
    before, after = (load_model(run)[0].state_dict() for run in (unbroken, tmp_path / "next"))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-9, rtol=1e-6)
    with pytest.raises(ValueError, match=r"start_from \(.*unbroken / None\)"):
        _pretrain(config, data, tmp_path / "next", resume=True)


def test_starting_from_another_model_is_refused(data: Path, unbroken: Path, tmp_path: Path) -> None:
    config = _config()
    wider = replace(config, temporal=replace(config.temporal, width=2 * config.temporal.width))
    with pytest.raises(ValueError, match=r"--start-from .*another model .*the first being decoder"):
        _pretrain(wider, data, tmp_path / "run", start_from=unbroken)
    encoder = replace(config.encoder, weights_file=tmp_path / "weights.pth")
    two = replace(config, encoder=encoder)
    with pytest.raises(ValueError, match=r"--start-from .*leave out --encoder\.weights-file"):
        _pretrain(two, data, tmp_path / "run", start_from=unbroken)
    assert not (tmp_path / "run").exists()


def test_resuming_another_preset_is_refused(data: Path, unbroken: Path) -> None:
    with pytest.raises(ValueError, match="'toy', not 'demo'"):
        _pretrain(mim4d.preset("demo"), data, unbroken, resume=True)


def test_data_are_known_wherever_they_lie(unbroken: Path, data: Path, tmp_path: Path) -> None:
    """Moved data go on, and are known as trained on; other data at the same path are refused."""
    run, moved = _copy(unbroken, tmp_path / "run"), tmp_path / "moved"
    shutil.copytree(data, moved)
    checkpoint_path(run, 6).unlink()
    assert _pretrain(_config(), moved, run, resume=True) == _metrics(unbroken)
    tables = NuscenesDataset(moved, frames=1, image_hw=(32, 64)).tables
    assert was_trained_on(run, tables, ["tiny-1"])
    for table, token, change, part in (
        ("calibrated_sensor", "calib-CAM_BACK", {"translation": [1.5, 0.0, 1.6]}, "calibration"),
        ("ego_pose", "pose-scene0-CAM_BACK-7", {"translation": [1000.0, 2001.0, 0.0]}, "poses"),
    ):
        edit_table(moved, table, set_row(token, **change))
        with pytest.raises(ValueError, match=f"was started on other data.*{part}"):
            _pretrain(_config(), moved, run, resume=True)
    (moved / "v1.0-mini").rename(moved / "v1.1")
    with pytest.raises(ValueError, match=r"version folder \(v1\.0-mini / v1\.1\)"):
        _pretrain(_config(), moved, run, resume=True)


def test_a_record_of_before_is_known_by_the_path(
    unbroken: Path, data: Path, tmp_path: Path
) -> None:
    run, moved = _copy(unbroken, tmp_path / "run"), tmp_path / "moved"
    record = json.loads((run / "record.json").read_text())
    del record["data_set"]
    (run / "record.json").write_text(json.dumps(record))
    assert _pretrain(_config(), data, run, resume=True) == _metrics(unbroken)
    shutil.copytree(data, moved)
    with pytest.raises(ValueError, match=r"data \(.*moved\)"):
        _pretrain(_config(), moved, run, resume=True)


def test_sigterm_saves_and_a_resumed_run_ends_the_same(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unbroken: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original: Callable[..., Any] = PretrainingModule.training_step

    def training_step(self: Any, clip: Any, batch_idx: int) -> Any:
        if self.global_step == 4:
            signal.raise_signal(signal.SIGTERM)
        return original(self, clip, batch_idx)

    (tmp_path / "config.json").write_text(config_to_json(_config()))
    run, before = tmp_path / "run", signal.getsignal(signal.SIGTERM)
    argv = ["pretrain", str(tmp_path / "config.json"), "--data", str(data), "--out", str(run)]
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", training_step)
        assert main([*argv, "--workers", "0", "--device", "cpu"]) == 143
    assert "after 5 steps of 6" in capsys.readouterr().err
    assert latest_checkpoint(run) == checkpoint_path(run, 5)
    assert signal.getsignal(signal.SIGTERM) == before
    assert _pretrain(_config(), data, run, resume=True) == _metrics(unbroken)


def test_resuming_with_another_choice_of_clips_is_refused(data: Path, unbroken: Path) -> None:
    with pytest.raises(ValueError, match=r"overfit \(0 / 1\)"):
        _pretrain(_config(), data, unbroken, resume=True, overfit=1)


def test_a_run_that_died_before_its_first_checkpoint_starts_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Path
) -> None:
    with monkeypatch.context() as patch:
        _kill_after(2, patch)
        with pytest.raises(_Killed):
            _pretrain(_config(), data, tmp_path / "run")
    assert latest_checkpoint(tmp_path / "run") is None
    assert _pretrain(_config(), data, tmp_path / "run", resume=True) == _metrics(unbroken)


def test_a_resumed_run_does_not_want_the_weights_it_started_from(
    data: Path, tmp_path: Path
) -> None:
    """They are in its checkpoint; without one the run does start from them, and says so."""
    config = _config(steps=2)
    weights = tmp_path / "weights.pth"
    torch.save(build_image_encoder(config.encoder).state_dict(), weights)
    config = replace(config, encoder=replace(config.encoder, weights_file=weights))
    config = replace(config, checkpoint_every=1)
    unbroken = _pretrain(config, data, tmp_path / "run")
    weights.unlink()
    checkpoint_path(tmp_path / "run", 2).unlink()
    assert _pretrain(config, data, tmp_path / "run", resume=True) == unbroken
    for step in (1, 2):
        checkpoint_path(tmp_path / "run", step).unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.pth not found"):
        _pretrain(config, data, tmp_path / "run", resume=True)


def test_a_process_killed_for_good_resumes_exactly(
    data: Path, tmp_path: Path, unbroken: Path
) -> None:
    """Nothing runs after SIGKILL: no handler, no tear-down, no flush."""
    run = tmp_path / "run"
    (tmp_path / "config.json").write_text(config_to_json(_config()))
    argv = ["pretrain", str(tmp_path / "config.json"), "--data", str(data), "--out", str(run)]
    script = "import sys; from mim4d.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *argv, "--device", "cpu", "--workers", "0"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while latest_checkpoint(run) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert latest_checkpoint(run) is not None
    assert _pretrain(_config(), data, run, resume=True) == _metrics(unbroken)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clip_that_turns_out_bad_during_training(
    tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also from a loader process, whose errors arrive inside a printed traceback."""
    data = write_tiny_dataset(tmp_path / "data")
    (data / "samples/CAM_BACK/scene1-CAM_BACK-10.jpg").write_bytes(b"no jpeg")
    (tmp_path / "config.json").write_text(config_to_json(_config()))
    argv = ["pretrain", str(tmp_path / "config.json"), "--data", str(data)]
    argv += ["--out", str(tmp_path / "run"), "--workers", str(workers), "--device", "cpu"]
    assert main(argv) == 2
    text = capsys.readouterr().err
    assert "scene1-CAM_BACK-10" in text
    assert "Traceback" not in text
    assert main([*argv[:-4], "--out", str(tmp_path / "again"), "--on-bad-clip", "skip"]) == 0


def test_resuming_nothing_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a run folder"):
        _pretrain(_config(), data, tmp_path, resume=True)


def _copy(run: Path, target: Path) -> Path:
    return Path(shutil.copytree(run, target))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "damaged"),
        (lambda path: torch.save({"state_dict": {}}, path), "not a checkpoint of a mim4d"),
        (lambda path: torch.save(Path("x"), path), "more than tensors"),
    ],
)
def test_a_bad_checkpoint_is_refused(
    unbroken: Path,
    data: Path,
    tmp_path: Path,
    damage: Callable[[Path], object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = _copy(unbroken, tmp_path / "run")
    damage(checkpoint_path(run, 6))
    status = main(["evaluate", str(run), "--data", str(data)])
    assert status == 2
    text = capsys.readouterr().err
    assert message in text
    assert "step-0000006.ckpt" in text
    assert not (run / "evaluation.json").exists()


def test_a_checkpoint_of_another_preset_is_refused(
    unbroken: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _copy(unbroken, tmp_path / "run")
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"preset": "toy"', '"preset": "demo"'))
    assert main(["render", str(run), "--data", str(data)]) == 2
    assert "checkpoint of preset 'toy'" in capsys.readouterr().err
    assert not (run / "renders").exists()


def test_an_unfinished_run_has_no_encoder(unbroken: Path, tmp_path: Path) -> None:
    run = _copy(unbroken, tmp_path / "run")
    (run / "encoder.safetensors").unlink()
    with pytest.raises(ValueError, match="has not finished"):
        mim4d.load_encoder(run)


def test_a_failing_save_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "step.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"mim4d_config": "", "x": torch.ones(3)}, path)
    with pytest.raises(Exception, match="pickle"):
        io.save_checkpoint({"mim4d_config": "", "x": lambda: None}, path)
    assert torch.equal(io.load_checkpoint(path)["x"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["step.ckpt"]


def test_a_choice_of_scenes_is_recorded_and_kept(data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config_to_json(_config(steps=3)))
    argv = ["pretrain", str(tmp_path / "config.json"), "--data", str(data), "--device", "cpu"]
    argv += ["--workers", "0", "--out", str(tmp_path / "run")]
    assert main([*argv, "--scene-fraction", "0.5", "--scene-seed", "1"]) == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["training_scenes"] == ["tiny-0"]
    with pytest.raises(ValueError, match=r"started on 1 scenes, not on these 2 \(new: tiny-1"):
        _pretrain(_config(steps=3), data, tmp_path / "run", resume=True)
    assert main([*argv, "--scenes", "tiny-0", "--resume"]) == 0
