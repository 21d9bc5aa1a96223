"""What options save is counted, and told when the first step does not fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mim4d.config import OptimConfig, TaskConfig
from mim4d.config.presets import task_preset
from mim4d.training import loop
from mim4d.training.finetune import finetune
from mim4d.training.memory_advice import kept_bytes, savings
from tests.tasks.scene import Box, clip_with


def _config(batch_size: int) -> TaskConfig:
    config = task_preset("toy", "bev_segmentation")
    return replace(config, optim=OptimConfig(batch_size=batch_size))


def test_what_options_save_adds_up() -> None:
    clip = clip_with(Box(5.0, 3.0))
    one = kept_bytes(_config(1), clip)
    now, found = savings(_config(2), clip)
    assert now == 2 * one
    saved = {saving.flags: saving.kept_bytes for saving in found}
    assert saved["--optim.batch-size 1 --optim.accumulate 2"] == one
    assert 0 < saved["--frozen trunk"] < saved["--frozen image_encoder"] < now
    assert saved["--encoder.checkpoint-blocks"] < now


@pytest.mark.slow
def test_a_first_step_that_does_not_fit_says_what_would_help(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(loop, "estimate_cost", full)
    config = replace(task_preset("toy", "vehicles"), optim=OptimConfig(batch_size=2))
    expected = r"Tried to allocate 2.*a step keeps .* GiB.*--frozen trunk saves .* GiB"
    with pytest.raises(ValueError, match=expected):
        finetune(config, data, tmp_path / "run", init=None, device="cpu", workers=0)
    assert not (tmp_path / "run").exists()
