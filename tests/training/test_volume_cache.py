"""A frozen trunk's volumes on disk: the same run, without asking the encoder again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.config import AugmentConfig, OptimConfig, TaskConfig
from mim4d.config.presets import task_preset
from mim4d.models.video_encoder import VideoEncoder
from mim4d.runs.metrics_file import read_metrics
from mim4d.training.finetune import finetune


def _config(seed: int = 0, **changes: Any) -> TaskConfig:
    config = replace(task_preset("toy", "vehicles"), seed=seed, **{"frozen": "trunk", **changes})
    return replace(config, optim=OptimConfig(steps=5, warmup_steps=0))


def _losses(config: TaskConfig, data: Path, run: Path, cache: Path | None) -> list[float]:
    finetune(
        config, data, run, init=None, volume_cache=cache, device="cpu", workers=0, progress=False
    )
    return read_metrics(run)["loss"].tolist()


@pytest.mark.slow
def test_volumes_are_computed_once_for_each_trunk(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, encode = [0], VideoEncoder.encode

    def counted(self: VideoEncoder, *arguments: Any) -> Any:
        encoded[0] += 1
        return encode(self, *arguments)

    monkeypatch.setattr(VideoEncoder, "encode", counted)
    cache = tmp_path / "volumes"
    without = _losses(_config(), data, tmp_path / "a", None)
    encoded[0] = 0
    first = _losses(_config(), data, tmp_path / "b", cache)
    files = len([*cache.glob("*/*.safetensors")])
    assert encoded[0] == files > 1
    again = _losses(_config(), data, tmp_path / "c", cache)
    assert encoded[0] == files
    assert without == first == again
    _losses(_config(seed=1), data, tmp_path / "d", cache)
    assert len([*cache.iterdir()]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frozen": "image_encoder"}, "frozen is image_encoder"),
        (
            {"augment": AugmentConfig(image_flip=0.5)},
            r"switch the changes off: --augment\.image-flip 0\.0$",
        ),
    ],
)
def test_volumes_that_change_are_not_kept(
    changes: dict[str, Any], message: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        _losses(_config(**changes), data, tmp_path / "run", tmp_path / "volumes")
    assert [*tmp_path.iterdir()] == []
