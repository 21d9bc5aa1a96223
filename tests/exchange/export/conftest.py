"""A finished run of a tiny model, and encoders whose every weight matters."""

from dataclasses import replace
from pathlib import Path

import pytest

from mim4d.config import OptimConfig
from mim4d.training import loop
from tests.data.tiny_dataset import write_tiny_dataset
from tests.toy import toy_config


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of the preset `toy`, after which averaged and raw weights differ."""
    optim = OptimConfig(steps=2, warmup_steps=1, lr=0.01, ema_momentum=2e-4)
    config = replace(toy_config(), optim=optim)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny")
        run = tmp_path_factory.mktemp("runs") / "RUN"
        loop.pretrain(config, data, run, device="cpu", workers=0, progress=False)
    return run
