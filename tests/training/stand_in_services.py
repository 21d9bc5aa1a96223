"""Stand-ins for the libraries of Weights & Biases and MLflow, which write down what reaches them.

They have just what Lightning's loggers ask of the real ones, so that the calls of a training can be
tested where these are not installed.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.loggers import mlflow as mlflow_logger
from lightning.pytorch.loggers import wandb as wandb_logger


class WandbRun:
    """One start of a run at Weights & Biases."""

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.config: dict[str, Any] = {}
        self.logged: list[dict[str, Any]] = []

    def define_metric(self, *_: Any, **__: Any) -> None:
        pass

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)


class MlflowServer:
    """What an MLflow server keeps; `client` is made as `MlflowClient` is."""

    def __init__(self) -> None:
        self.address = ""
        self.runs: list[str] = []
        self.params: dict[str, str] = {}
        self.metrics: list[tuple[str, str, float, int]] = []
        self.images: list[tuple[str, str]] = []
        self.ended: list[tuple[str, str]] = []

    def client(self, address: str) -> "MlflowServer":
        self.address = address
        return self

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        return f"experiment {name}"

    def create_run(self, experiment_id: str, tags: dict[str, str]) -> SimpleNamespace:
        self.runs.append(f"{experiment_id}, run {tags['name']}")
        return self.get_run(self.runs[-1])

    def get_run(self, run_id: str) -> SimpleNamespace:
        assert run_id in self.runs
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id, experiment_id="experiment"))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        self.params |= {p.key: p.value for p in params}
        self.metrics += [(run_id, m.key, m.value, m.step) for m in metrics]

    def log_image(self, run_id: str, image: Any, artifact_file: str) -> None:
        self.images.append((run_id, artifact_file))

    def set_terminated(self, run_id: str, status: str) -> None:
        self.ended.append((run_id, status))


def install_wandb(patch: pytest.MonkeyPatch) -> list[WandbRun]:
    """Put the stand-in in the place of wandb; returns the starts of runs, as they come."""
    starts: list[WandbRun] = []

    def init(**asked: Any) -> WandbRun:
        starts.append(WandbRun(**asked))
        return starts[-1]

    patch.setattr(wandb_logger, "_WANDB_AVAILABLE", True)
    _install(patch, "wandb", init=init, run=None, Image=lambda image, **_: image)
    _install(patch, "wandb.sdk")
    _install(patch, "wandb.sdk.lib", RunDisabled=WandbRun)
    _install(patch, "wandb.wandb_run", Run=WandbRun)
    return starts


def install_mlflow(patch: pytest.MonkeyPatch) -> MlflowServer:
    """Put the stand-in in the place of mlflow; returns its server."""
    server = MlflowServer()
    patch.setattr(mlflow_logger, "_MLFLOW_AVAILABLE", True)
    tracking = {"MlflowClient": server.client}
    _install(patch, "mlflow", set_tracking_uri=lambda address: None)
    context = _install(patch, "mlflow.tracking.context", resolve_tags=dict)
    _install(patch, "mlflow.tracking", context=context, **tracking)
    _install(patch, "mlflow.entities", Metric=SimpleNamespace, Param=SimpleNamespace)
    _install(patch, "mlflow.utils")
    _install(patch, "mlflow.utils.mlflow_tags", MLFLOW_RUN_NAME="name")
    return server


def _install(patch: pytest.MonkeyPatch, name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None, is_package=True)
    module.__path__ = []
    for key, value in content.items():
        setattr(module, key, value)
    patch.setitem(sys.modules, name, module)
    return module
