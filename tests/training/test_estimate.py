"""What a run says about itself before it starts."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from mim4d.build.data import build_dataset
from mim4d.config import LossConfig, PretrainConfig
from mim4d.config.presets import preset
from mim4d.data.clip import Clip
from mim4d.training.estimate import estimate_cost, teachers
from mim4d.training.modules import PretrainingModule
from tests.toy import toy_config, toy_model


def _without_sweep(config: PretrainConfig) -> PretrainConfig:
    return replace(config, loss=LossConfig(distance_weight=0.0))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (preset("demo"), "LiDAR"),
        (preset("demo_no_lidar"), "other images"),
        (
            replace(preset("demo"), loss=LossConfig(photometric_weight=1.0)),
            "LiDAR and other images",
        ),
        (_without_sweep(preset("demo_no_lidar")), "colours alone, which takes long"),
    ],
)
def test_what_teaches_distances(config: PretrainConfig, said: str) -> None:
    assert teachers(config) == said


def test_the_preset_without_lidar_reads_none() -> None:
    config = preset("demo_no_lidar")
    assert config.clip.lidar is None
    assert not config.render.use_lidar
    assert config.loss.lidar_weights == []


class _Recorder(PretrainingModule):
    """Remembers which steps are asked for."""

    steps: ClassVar[list[int]] = []

    def step_losses(
        self, clip: Clip, step: int, places: range | None = None
    ) -> dict[str, torch.Tensor]:
        self.steps.append(step)
        return {"loss": next(self.parameters()).sum()}


def test_the_cost_is_that_of_the_last_step(data: Path) -> None:
    """The map head's first steps learn cells alone: they would tell too little time and memory."""
    config = toy_config()
    module = _Recorder(toy_model(config), config)
    before = next(module.parameters()).clone()
    estimate_cost(module, build_dataset(config, data, "train"), "cpu")
    assert module.steps == [config.optim.steps - 1] * 2
    assert torch.equal(next(module.parameters()), before)
