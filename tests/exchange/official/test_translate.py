from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mim4d.exchange.official.checkpoint_layout import LayoutError, read_layout
from mim4d.exchange.official.rules import Naming
from mim4d.exchange.official.translate import Conventions, Translation, to_official, to_ours
from tests.exchange.official.conftest import State
from tests.parity import GoldenFile

WHOLE = ["pretrain_full_a.in", "pretrain_full_b.in", "finetune_full_a", "finetune_full_b"]
IN_8_M = Conventions(length_unit_m=8.0)
FIELD = "pts_bbox_head.render_model.field"


def shapes(state: State) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def translated(state: State, conventions: Conventions = IN_8_M) -> Translation:
    return to_ours(state, read_layout(shapes(state)), conventions)


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


def last_colour_layer(state: State) -> int:
    return read_layout(shapes(state)).colour_layers - 1


def test_values_by_hand(state: State) -> None:
    ours, k = translated(state).weights, last_colour_layer(state)
    last = state[f"{FIELD}.rgb_decoder.lin{k}.bias"]
    assert torch.equal(ours[f"renderer.field.colour_decoder.layers.{k}.bias"], last[[2, 1, 0]])
    joined = ours["renderer.field.sdf_decoder.from_features.weight"]
    second = state[f"{FIELD}.sdf_decoder.fc_c.1.weight"]
    assert torch.equal(joined[len(second) : 2 * len(second)], second)
    # exp(10 v) per 8 m is exp(10 v) / 8 per metre.
    variance = state[f"{FIELD}.deviation_network.variance"]
    per_metre = (10 * ours["renderer.field.sharpness_exponent"]).exp()
    torch.testing.assert_close(per_metre, (10 * variance[0]).exp() / 8)
    embeddings = state["history_decoder.frame_embeds"]
    assert torch.equal(ours["decoder.frame_embedding"], embeddings[:-1])


def test_colours_that_are_rgb_already_stay(state: State) -> None:
    ours = translated(state, Conventions(8.0, colours="rgb")).weights
    k = last_colour_layer(state)
    last = state[f"{FIELD}.rgb_decoder.lin{k}.weight"]
    assert torch.equal(ours[f"renderer.field.colour_decoder.layers.{k}.weight"], last)


@pytest.mark.parametrize("unit", [8.0, 51.2, 54.0])
def test_the_sharpness_comes_back(state: State, unit: float) -> None:
    """From 0.2 on (steepness 7.4 per unit; training begins at 0.3) the very number comes back."""
    key, conventions = f"{FIELD}.deviation_network.variance", Conventions(unit)
    layout = read_layout(shapes(state))
    for value in torch.linspace(-0.5, 1.5, 41):
        ours = to_ours({key: value.reshape(1)}, layout, conventions).weights
        back = to_official(ours, layout, conventions)
        again = to_ours(back, layout, conventions).weights
        name = "renderer.field.sharpness_exponent"
        assert torch.equal(again[name], ours[name])
        assert value < 0.2 or torch.equal(back[key], value.reshape(1))


@pytest.mark.parametrize(
    ("name", "mapped", "dead", "unused"),
    [
        ("vs0.1_pretrain", 493, 11, 0),
        ("vs0.075_pretrain", 558, 9, 0),
        ("vs0.1_finetune", 641, 2, 0),
        ("vs0.075_finetune", 744, 0, 0),
    ],
)
def test_every_published_key_has_a_verdict(
    published: dict[str, State], name: str, mapped: int, dead: int, unused: int
) -> None:
    state = {k: v for k, v in published[name].items() if not k.startswith("ema_")}
    translation = translated(state)
    assert [verdict.name for verdict in translation.verdicts] == list(state)
    fates = (translation.count("mapped"), translation.count("dead"), translation.count("unused"))
    assert fates == (mapped, dead, unused)
    assert all(verdict.detail for verdict in translation.verdicts)


def test_unknown_keys_are_refused(state: State) -> None:
    state["history_decoder.surprise.weight"] = torch.zeros(1)
    state["img_neck.surprise"] = torch.zeros(1)
    with pytest.raises(LayoutError, match=r"unknown keys \(2\): history_decoder\.surprise\.weight"):
        translated(state)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("history_decoder.proj.0.weight", lambda v: v[:, :, 0, 0]),
        (f"{FIELD}.deviation_network.variance", lambda v: v.expand(2)),
        (f"{FIELD}.sdf_decoder.fc_c.1.weight", lambda v: v[:, 1:]),
    ],
)
def test_values_of_another_shape_are_refused(
    state: State, key: str, change: Callable[[Tensor], Tensor]
) -> None:
    with pytest.raises(LayoutError, match=r"expected |of different shapes"):
        translated(state | {key: change(state[key])})


def test_a_missing_part_of_a_joined_matrix_is_refused(state: State) -> None:
    del state[f"{FIELD}.sdf_decoder.fc_c.0.weight"]
    with pytest.raises(LayoutError, match=r"from_features\.weight: made of parts .* missing"):
        translated(state)


def test_a_weight_without_an_official_name_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"decoder\.time_embedding\.linear\.weight has no place"):
        to_official(
            {"decoder.time_embedding.linear.weight": torch.zeros(1)}, Naming((3,), 1), IN_8_M
        )
