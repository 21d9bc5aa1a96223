"""A whole evaluation of a run that is not as it was."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mim4d.build.trunk import build_image_encoder
from mim4d.config import OptimConfig
from mim4d.evaluation import evaluate_run
from mim4d.training.loop import pretrain
from tests.data.tiny_dataset import write_tiny_dataset
from tests.toy import toy_config


@pytest.mark.slow
def test_weights_to_start_from_are_wanted_by_the_untrained_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    data, run, weights = write_tiny_dataset(tmp_path / "data"), tmp_path / "run", tmp_path / "w.pth"
    config = toy_config()
    torch.save(build_image_encoder(config.encoder).state_dict(), weights)
    encoder = replace(config.encoder, weights_file=weights)
    config = replace(config, encoder=encoder, optim=OptimConfig(steps=1))
    pretrain(config, data, run, device="cpu", workers=0, progress=False)
    rows = evaluate_run(run, data, stride=16, max_clips=1, device="cpu", save=False).rows
    weights.unlink()
    with caplog.at_level(logging.WARNING, "mim4d"):
        fewer = evaluate_run(run, data, stride=16, max_clips=1, device="cpu", save=False).rows
    untrained = {name for name in rows if name.startswith("untrained")}
    assert len(untrained) == 2
    assert fewer == {name: row for name, row in rows.items() if name not in untrained}
    assert "untrained" in caplog.text
    assert "w.pth not found" in caplog.text
