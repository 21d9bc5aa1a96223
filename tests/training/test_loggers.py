"""What of a run reaches Weights & Biases and MLflow, and that a resumed run goes on there."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import Logger, MLFlowLogger
from PIL import Image

from mim4d.config import OptimConfig, PretrainConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.errors import MachineError
from mim4d.training import loop
from mim4d.training.loggers import begin, build_loggers, log_image
from mim4d.training.resume import extended
from mim4d.training.step_module import StepModule
from mim4d.training.watch import LoggerName, Watch
from tests.toy import toy_config
from tests.training.stand_in_services import (
    MlflowServer,
    WandbRun,
    install_mlflow,
    install_wandb,
)

VARIABLES = ("WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")


@pytest.fixture(autouse=True)
def own_services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True)
class Reached:
    """What reached the stand-ins in a run of two steps that was resumed for a third."""

    run: Path
    wandb: list[WandbRun]
    mlflow: MlflowServer


def _grey_picture(module: StepModule, data: NuscenesDataset, index: int, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (6, 4), (99, 99, 99)).save(path)
    return path


def _config(steps: int) -> PretrainConfig:
    return replace(toy_config(), optim=OptimConfig(steps=steps, warmup_steps=1))


@pytest.fixture(scope="module")
def reached(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Reached:
    root = tmp_path_factory.mktemp("logged")
    run = root / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(root / "cache"))
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        starts, server = install_wandb(patch), install_mlflow(patch)
        watch = Watch(
            loggers=("wandb", "mlflow"),
            validate_every=2,
            validation_scenes=SceneChoice("val", ("tiny-1",)),
            picture=_grey_picture,
        )
        common: dict[str, Any] = {"device": "cpu", "workers": 0, "watch": watch}
        scenes = SceneChoice("train", ("tiny-0",))
        loop.pretrain(_config(2), data, run, scenes=scenes, **common)
        longer = extended(_config(2), 3, "hold")
        loop.pretrain(longer, data, run, scenes=scenes, resume=True, extends=True, **common)
    return Reached(run, starts, server)


@pytest.mark.slow  # a training
def test_losses_rates_speed_and_pictures_reach_weights_and_biases(reached: Reached) -> None:
    first, second = reached.wandb
    assert first.asked["project"] == "mim4d"
    assert first.asked["name"] == "run"
    assert first.asked["dir"] == str(reached.run)
    assert first.config["optim"]["steps"] == 2
    steps = [line for line in first.logged if "train/loss" in line]
    assert [line["trainer/global_step"] for line in steps] == [0, 1]
    assert {"lr/rest", "speed/clips_per_s", "memory/peak_gib"} <= set(steps[0])
    assert any("validation/loss" in line for line in first.logged)
    (picture,) = [line["validation/clip"] for line in first.logged if "validation/clip" in line]
    assert picture[0].shape == (4, 6, 3)
    assert [x["trainer/global_step"] for x in second.logged if "train/loss" in x] == [2]


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_place(reached: Reached) -> None:
    first, second = (start.asked for start in reached.wandb)
    assert first["id"] == second["id"]
    assert second["resume"] == "allow"
    server = reached.mlflow
    assert server.runs == ["experiment mim4d, run run"]
    assert (reached.run / "mlflow_run_id.txt").read_text().strip() == server.runs[0]


@pytest.mark.slow
def test_losses_rates_and_pictures_reach_mlflow(reached: Reached) -> None:
    server = reached.mlflow
    assert server.address == f"sqlite:///{reached.run.resolve()}/mlflow.db"
    assert server.params["optim/warmup_steps"] == "1"
    losses = [step for _, key, _, step in server.metrics if key == "train/loss"]
    assert losses == [0, 1, 2]
    assert "validation/loss" in {key for _, key, _, _ in server.metrics}
    assert server.images[0] == (server.runs[0], "validation/clip/0000001.png")
    assert server.ended == [(server.runs[0], "FINISHED")] * 2


def _log_something(name: LoggerName, run: Path) -> Logger:
    run.mkdir()
    record = {"data": "DATA", "training_scenes": [], "started": "2026-11-30 12:00"}
    (run / "record.json").write_text(json.dumps(record))
    (logger,) = build_loggers([name], run, first_step=0)
    begin(logger, {"seed": 3}, run)
    logger.log_metrics({"train/loss": 0.5}, 0)
    log_image(logger, "validation/clip", np.zeros((4, 6, 3), np.uint8), 0)
    logger.finalize("success")
    return logger


@pytest.mark.slow
def test_the_real_wandb_writes_an_offline_run(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb", reason="needs mim4d[wandb]")
    _log_something("wandb", tmp_path / "run")
    wandb.finish()
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert list(folder.glob("run-*.wandb"))
    assert list(folder.rglob("*.png"))


@pytest.mark.slow
def test_the_real_mlflow_keeps_a_run_and_goes_on_with_it(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs mim4d[mlflow]")
    first = _log_something("mlflow", tmp_path / "run")
    assert (tmp_path / "run" / "mlflow.db").is_file()
    assert list((tmp_path / "run" / "mlflow").rglob("*.png"))
    (again,) = build_loggers(["mlflow"], tmp_path / "run", first_step=1)
    assert isinstance(again, MLFlowLogger)
    assert again.version == first.version
    history = again.experiment.get_metric_history(first.version, "train/loss")
    assert [point.value for point in history] == [0.5]


def test_a_service_that_cannot_start_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such server\nat all")

    monkeypatch.setattr(MlflowServer, "client", refuse)
    install_mlflow(monkeypatch)
    with pytest.raises(MachineError, match=r"logger mlflow: cannot start \(no such server\)"):
        build_loggers(["mlflow"], tmp_path, first_step=0)
