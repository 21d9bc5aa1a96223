"""What is read from a run folder."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mim4d.loading import load_encoder, load_model
from mim4d.presets import preset
from mim4d.training.loop import pretrain
from tests.data.tiny_dataset import write_tiny_dataset


def test_evaluation_and_export_use_the_averaged_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The released code saves an average that nothing reads."""
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    config = preset("toy")
    # Weights that move far, so that the average lies well behind them.
    optim = replace(config.optim, steps=3, lr=0.05, warmup_steps=0, ema_momentum=0.5)
    run = tmp_path / "run"
    pretrain(
        replace(config, optim=optim),
        write_tiny_dataset(tmp_path / "data"),
        run,
        workers=0,
        progress=False,
        device="cpu",
    )
    averaged, raw = (load_model(run, raw=raw)[0].encoder.state_dict() for raw in (False, True))
    encoder = load_encoder(run).state_dict()
    assert all(torch.equal(encoder[name], value) for name, value in averaged.items())
    moved = [name for name, value in raw.items() if not torch.equal(value, averaged[name])]
    assert len(moved) > len(raw) / 2
