import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mim4d.official.layout import LayoutError, read_layout
from mim4d.official.translate import Conventions, Translation, to_official, to_ours
from tests.conftest import GoldenFile

WHOLE = ["pretrain_full_a.in", "pretrain_full_b.in", "finetune_full_a", "finetune_full_b"]
IN_8_M = Conventions(length_unit_m=8.0)


def shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def translated(state: dict[str, Tensor], conventions: Conventions = IN_8_M) -> Translation:
    return to_ours(state, read_layout(shapes(state)), conventions)


@pytest.fixture(scope="module")
def published(golden_dir: Path) -> dict[str, dict[str, Tensor]]:
    """State dicts of the release at real size, without memory, by short name."""
    listed = json.loads((golden_dir / "official_state_dict_keys.json").read_text())
    return {
        name.removeprefix("uvtr_convnext_s_").removesuffix(".py"): {
            key: torch.empty(entry["shape"], dtype=getattr(torch, entry["dtype"]), device="meta")
            for key, entry in config["state_dict"].items()
        }
        for name, config in listed.items()
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("name", "mapped", "dead", "unused"),
    [
        ("vs0.1_pretrain", 493, 11, 0),
        ("vs0.075_pretrain", 558, 9, 0),
        ("vs0.1_finetune", 364, 2, 277),
        ("vs0.075_finetune", 429, 0, 315),
    ],
)
def test_every_published_key_has_a_verdict(
    published: dict[str, dict[str, Tensor]], name: str, mapped: int, dead: int, unused: int
) -> None:
    state = published[name]
    translation = translated(state)
    assert [verdict.name for verdict in translation.verdicts] == list(state)
    fates = (translation.count("mapped"), translation.count("dead"), translation.count("unused"))
    assert fates == (mapped, dead, unused)


@pytest.mark.parametrize("name", WHOLE)
def test_there_and_back_gives_the_same_bits(golden: Callable[[str], GoldenFile], name: str) -> None:
    state = golden(name).part("weights")
    translation = translated(state)
    layout = read_layout(shapes(state))
    back = to_official(translation.weights, layout, IN_8_M, translation.leftovers)
    assert back.keys() == state.keys()
    for key, value in state.items():
        assert back[key].shape == value.shape
        assert torch.equal(back[key], value), key
    again = to_ours(back, layout, IN_8_M)
    assert again.weights.keys() == translation.weights.keys()
    assert all(torch.equal(again.weights[k], v) for k, v in translation.weights.items())


def test_unknown_key_is_refused(golden: Callable[[str], GoldenFile]) -> None:
    state = golden("pretrain_full_a.in").part("weights")
    state["img_neck.lateral_convs.0.conv.scale"] = state.pop("img_neck.lateral_convs.0.conv.bias")
    state["history_decoder.surprise.weight"] = torch.zeros(1)
    with pytest.raises(LayoutError, match=r"unknown key history_decoder\.surprise\.weight"):
        translated(state)


def test_something_else_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"there is no img_backbone.*begins with conv1\.weight"):
        read_layout({"conv1.weight": torch.Size([64, 3, 7, 7])})
