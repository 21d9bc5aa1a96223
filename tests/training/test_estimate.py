"""What a run says about itself before it starts."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from mim4d.config import LossConfig, PretrainConfig
from mim4d.config.presets import preset, task_preset
from mim4d.data.clip import Clip
from mim4d.training.estimate import estimate_cost, teachers
from tests.tasks.scene import clip_with


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


class _Recorder(nn.Module):
    """In the place of a run's module: remembers which steps are asked for."""

    steps: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.config = task_preset("toy", "hd_map")
        self.weight = nn.Parameter(torch.zeros(()))

    def step_losses(self, clip: Clip, step: int) -> dict[str, torch.Tensor]:
        self.steps.append(step)
        return {"loss": self.weight * 2}

    def configure_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer": torch.optim.SGD(self.parameters(), lr=0.1)}


def test_the_cost_is_that_of_the_last_step() -> None:
    """The map head's first steps learn cells alone: they would tell too little time and memory."""
    module, clips = _Recorder(), [clip_with()]
    estimate_cost(module, clips, "cpu")  # type: ignore[arg-type]
    assert module.steps == [module.config.optim.steps - 1] * 2
    assert module.weight == 0
