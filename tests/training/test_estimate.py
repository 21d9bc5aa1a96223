"""What a run says about itself before it starts."""

from dataclasses import replace

import pytest

from mim4d.config import LossConfig, PretrainConfig
from mim4d.config.presets import preset
from mim4d.training.estimate import teachers


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
