"""State dicts of the release: the small ones with values, those of real size without memory."""

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mim4d.exchange.official.checkpoint_layout import OfficialLayout
from mim4d.exchange.official.describe import Metres
from tests.parity import GoldenFile

State = dict[str, Tensor]
IN_8_M = Metres(8.0, (-5.0, 3.0), 1.0, 15.0, (64, 96), frame_interval_s=None, query_heads=4)


def metres_of(layout: OfficialLayout) -> Metres:
    """Of the small models, which are all alike."""
    return IN_8_M


@pytest.fixture
def state(golden: Callable[[str], GoldenFile]) -> State:
    """A small pre-training of the kind of the 0.1 m release."""
    return golden("pretrain_full_a.in").part("weights")


@pytest.fixture
def checkpoint(state: State, tmp_path: Path) -> Path:
    """The same as an mmcv file."""
    return save(state, tmp_path / "official.pth")


def save(state: State, path: Path) -> Path:
    meta = {"epoch": 12, "mmcv_version": "1.7.1", "CLASSES": ("car", "truck"), "config": "model=1"}
    torch.save({"meta": meta, "state_dict": OrderedDict(state), "optimizer": {}}, path)
    return path


@pytest.fixture(scope="session")
def listed(golden_dir: Path) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """The list of the published keys, by short name of the configuration."""
    content = json.loads((golden_dir / "official_state_dict_keys.json").read_text())
    return {
        name.removeprefix("uvtr_convnext_s_").removesuffix(".py"): config
        for name, config in content.items()
        if not name.startswith("_")
    }


@pytest.fixture(scope="session")
def published(listed: dict[str, dict[str, dict[str, dict[str, object]]]]) -> dict[str, State]:
    """State dicts of the release at real size, with the averaged weights where it has any."""
    return {
        name: _without_memory(config["state_dict"] | config.get("ema_state_dict", {}))
        for name, config in listed.items()
    }


def _without_memory(entries: dict[str, dict[str, object]]) -> State:
    return {
        key: torch.empty(
            entry["shape"],  # type: ignore[call-overload]
            dtype=getattr(torch, str(entry.get("dtype", "float32"))),
            device="meta",
        )
        for key, entry in entries.items()
    }
