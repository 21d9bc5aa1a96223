import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from mim4d.temporal.decoder import (
    TemporalDecoder,
    TemporalLayer,
    TimeEmbedding,
    nearest_sources,
    sine_position,
)
from mim4d.temporal.imported import ImportedDecoder
from mim4d.temporal.sources import Sources, valid_mean
from tests.exchange.official_parts import official_values, our_names, our_weights
from tests.temporal.test_attention import golden_attention, golden_sources, perturbed

C, Z, Y, X = 4, 2, 5, 6

OURS: dict[str, Any] = {"start_from_mean": True, "positional_sources": None, "grid_yx": None}
"""Conventions under which an imported decoder is ours."""

LAYER = "history_decoder.decoder_short.layers.0."
DECODER = "history_decoder."


def small_decoder(seed=None, **conventions):
    make: Callable[..., TemporalDecoder] = TemporalDecoder
    if conventions:
        make = partial(ImportedDecoder, **(OURS | conventions))
    decoder = make(C, Z, width=16, long_width=8, short_ffn_width=24, long_ffn_width=12)
    return decoder if seed is None else perturbed(decoder, seed, scale=0.1)


_COMPILED = """
import torch
from mim4d.temporal.decoder import TemporalDecoder
from mim4d.temporal.sources import Sources

torch.manual_seed(0)
decoder = TemporalDecoder(4, 2, width=16, long_width=8, short_ffn_width=24, long_ffn_width=12)
torch.nn.init.ones_(decoder.output_norm.weight)
warped = torch.randn(2, 3, 4, 2, 5, 6, requires_grad=True)
valid = torch.rand(2, 3, 2, 5, 6) > 0.3
sources = Sources(warped, valid, torch.rand(2, 3) * 2 - 1, torch.ones(2, 3, dtype=torch.bool))

def run(function):
    loss = function(sources).square().sum()
    wanted = [warped, *(p for p in decoder.parameters() if p.requires_grad)]
    return [loss, *torch.autograd.grad(loss, wanted, allow_unused=True)]

plain = run(decoder)
names = list(decoder.state_dict())
decoder.compile(backend="aot_eager", fullgraph=True)
for actual, expected in zip(run(decoder), plain, strict=True):
    if expected is not None:
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
assert list(decoder.state_dict()) == names
print("the same")
"""


@pytest.mark.slow
def test_compiles_without_a_break_to_the_same():
    """In a process of its own: the checker of shapes cannot be compiled."""
    done = subprocess.run(
        [sys.executable, "-c", _COMPILED], capture_output=True, text=True, check=False
    )
    assert "the same" in done.stdout, done.stderr[-2000:]


def inputs(b, s, seed):
    warped = torch.randn(b, s, C, Z, Y, X, generator=seed)
    valid = torch.rand(b, s, Z, Y, X, generator=seed) > 0.3
    dt_s = torch.rand(b, s, generator=seed) * 2 - 1
    return warped, valid, dt_s, torch.ones(b, s, dtype=torch.bool)


def test_starts_as_the_mean_of_the_valid_sources(seed):
    warped, valid, dt_s, present = inputs(2, 3, seed)
    present[1, 2] = False
    result = small_decoder()(Sources(warped, valid, dt_s, present))
    counted = valid & present[:, :, None, None, None]
    for _ in range(40):
        b, c, z, y, x = (int(torch.randint(n, (1,), generator=seed)) for n in (2, C, Z, Y, X))
        seen = warped[b, :, c, z, y, x][counted[b, :, z, y, x]]
        expected = seen.mean() if len(seen) else torch.zeros(())
        torch.testing.assert_close(result[b, c, z, y, x], expected)


def test_starts_as_exactly_the_mean(seed):
    warped, valid, dt_s, present = inputs(2, 3, seed)
    present[0, 1] = False
    sources = Sources(warped, valid, dt_s, present)
    assert torch.equal(small_decoder()(sources), valid_mean(sources))


@pytest.mark.parametrize("shape", [(3, 1, 7, 4), (5, 3, 4, 9), (1, 8, 2, 2)])
@pytest.mark.parametrize("num_sources", [1, 4])
def test_any_grid_channels_and_number_of_sources(seed, shape, num_sources):
    c, z, y, x = shape
    decoder = perturbed(TemporalDecoder(c, z, 16, 8), seed, scale=0.1)
    for rows, columns in ((y, x), (y + 3, x + 1)):  # the same weights on another grid
        warped = torch.randn(2, num_sources, c, z, rows, columns, generator=seed)
        valid = torch.ones(2, num_sources, z, rows, columns, dtype=torch.bool)
        dt_s = torch.rand(2, num_sources, generator=seed)
        result = decoder(Sources(warped, valid, dt_s, torch.ones_like(dt_s, dtype=torch.bool)))
        assert result.shape == (2, c, z, rows, columns)
        assert result.isfinite().all()


def test_a_batch_is_its_clips(seed):
    decoder = small_decoder(seed)
    data = inputs(4, 3, seed)
    data[3][0, 1] = data[3][3, 0] = False
    together = decoder(Sources(*data))
    for i in range(4):
        alone = decoder(Sources(*(tensor[i : i + 1] for tensor in data)))
        torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_sources", [1, 2, 3, 4])
def test_order_of_sources_does_not_matter(seed, num_sources):
    decoder = small_decoder(seed)
    data = inputs(2, num_sources, seed)
    order = torch.randperm(num_sources, generator=seed)
    expected = decoder(Sources(*data))
    torch.testing.assert_close(
        decoder(Sources(*(tensor[:, order] for tensor in data))), expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("num_sources", [1, 2, 3])
def test_the_place_in_the_list_says_nothing(seed, num_sources):
    """Frames that do not exist move the others back in the list, and change nothing."""
    decoder = small_decoder(seed)
    data = inputs(2, num_sources, seed)
    expected = decoder(Sources(*data))
    for pad in (1, 2):
        warped, valid, dt_s, _ = inputs(2, pad, seed)
        absent = (warped, valid, dt_s, torch.zeros(2, pad, dtype=torch.bool))
        longer = (torch.cat(pair, dim=1) for pair in zip(absent, data, strict=True))
        torch.testing.assert_close(decoder(Sources(*longer)), expected, atol=1e-5, rtol=1e-5)


def test_a_clip_with_only_a_past_reads_it_and_its_signed_seconds(seed):
    decoder = small_decoder(seed, start_from_mean=False)
    warped, valid, _, present = inputs(1, 3, seed)
    past = torch.tensor([[-1.5, -1.0, -0.5]])
    result = decoder(Sources(warped, valid, past, present))
    assert result.isfinite().all()
    # Nearest first, in seconds: the same sources said to be later, or in the future, differ.
    for other in (past - 0.5, -past):
        assert (decoder(Sources(warped, valid, other, present)) - result).abs().max() > 1e-3
    with torch.no_grad():  # cut the long branch off
        decoder.output_proj.weight[:, 16:] = 0
    decoder(Sources(warped.requires_grad_(), valid, past, present)).square().sum().backward()
    read = warped.grad[0].abs().flatten(1).sum(dim=1) > 0
    assert read.tolist() == [False, False, True]


def test_absent_sources_have_no_influence(seed):
    decoder = small_decoder(seed)
    warped, valid, dt_s, present = inputs(2, 3, seed)
    present[0, 0] = present[1, 2] = False
    expected = decoder(Sources(warped, valid, dt_s, present))
    warped[0, 0], warped[1, 2] = 7.0, -3.0
    dt_s[0, 0], dt_s[1, 2] = 0.01, -0.01
    torch.testing.assert_close(decoder(Sources(warped, valid, dt_s, present)), expected)


def test_positional_sources_are_ordered_newest_first(seed):
    decoder = small_decoder(seed, positional_sources=3)
    warped, valid, _, present = inputs(2, 3, seed)
    dt_s = torch.tensor([[0.5, -0.5, -1.0], [-0.1, -0.2, -0.3]])
    expected = decoder(Sources(warped, valid, dt_s, present))
    order = [2, 0, 1]
    data = (warped[:, order], valid[:, order], dt_s[:, order], present[:, order])
    torch.testing.assert_close(decoder(Sources(*data)), expected)
    same_times = decoder(Sources(*data[:2], torch.zeros(2, 3), data[3]))
    assert (same_times - expected).abs().max() > 1e-3


def test_no_source_at_all_is_finite(seed):
    decoder = small_decoder(seed)
    warped, valid, dt_s, present = inputs(2, 2, seed)
    present[0] = False
    result = decoder(Sources(warped.requires_grad_(), valid, dt_s, present))
    result.square().sum().backward()
    assert result.isfinite().all()
    assert warped.grad.isfinite().all()
    assert not warped.grad[0].any()
    assert warped.grad[1].any()


def test_signed_time_matters(seed):
    decoder = small_decoder(seed)
    warped, valid, dt_s, present = inputs(1, 1, seed)
    past = decoder(Sources(warped, valid, torch.tensor([[-0.5]]), present))
    future = decoder(Sources(warped, valid, torch.tensor([[0.5]]), present))
    assert (past - future).abs().max() > 1e-3
    assert dt_s.shape == (1, 1)


def test_every_parameter_gets_a_gradient(seed):
    decoder = small_decoder(seed)
    decoder(Sources(*inputs(2, 3, seed))).square().sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_at_step_zero_only_the_last_norm_learns(seed):
    decoder = small_decoder()
    (decoder(Sources(*inputs(1, 2, seed))) - 1).square().sum().backward()
    moving = [n for n, p in decoder.named_parameters() if p.grad is not None and p.grad.any()]
    assert sorted(moving) == ["output_norm.bias", "output_norm.weight"]
    assert all(p.grad is not None for p in decoder.parameters())


def test_bf16_autocast_stays_close(seed):
    decoder = small_decoder(seed)
    data = inputs(1, 2, seed)
    expected = decoder(Sources(*data))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = decoder(Sources(*data))
    assert (result.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_nearest_sources_by_hand():
    dt_s = torch.tensor([[-1.0, -0.5, 0.5, 1.0], [-1.0, -0.5, 0.5, 1.0], [-2.0, -1.5, -1.0, -0.5]])
    present = torch.tensor([[True] * 4, [True, False, False, True], [True] * 3 + [False]])
    index, exists = nearest_sources(dt_s, present)
    assert index[0].tolist() == [1, 2]
    assert index[1].tolist() == [0, 3]
    assert index[2, 0] == 2
    assert exists.tolist() == [[True, True], [True, True], [True, False]]
    index, exists = nearest_sources(torch.tensor([[0.3], [0.3]]), torch.tensor([[True], [False]]))
    assert index.tolist() == [[0], [0]]
    assert exists.tolist() == [[True], [False]]


def test_short_branch_reads_the_nearest_sources_only(seed):
    decoder = small_decoder(seed, start_from_mean=False)
    with torch.no_grad():  # cut the long branch off
        decoder.output_proj.weight[:, 16:] = 0
    warped, valid, _, present = inputs(1, 4, seed)
    dt_s = torch.tensor([[-0.4, 0.9, -0.1, 0.2]])
    warped.requires_grad_()
    decoder(Sources(warped, valid, dt_s, present)).square().sum().backward()
    read = warped.grad[0].abs().flatten(1).sum(dim=1) > 0
    assert read.tolist() == [False, False, True, True]


def test_time_embedding_tells_past_from_future():
    embedded = TimeEmbedding(16)(torch.tensor([[-0.5, 0.5, -0.083, 0.083, 0.0]]))
    distances = torch.cdist(embedded, embedded)[0] + torch.eye(5)
    assert distances.min() > 0.01


def test_sine_position_by_hand():
    position = sine_position(2, 4, 2)
    # One frequency: rows at π and 2π, columns at π/2, π, 3π/2, 2π.
    expected = torch.tensor([[0.0, -1], [0, 1]])[:, None].expand(2, 4, 2)
    torch.testing.assert_close(position[..., :2], expected, atol=1e-6, rtol=0)
    expected = torch.tensor([[1.0, 0], [0, -1], [-1, 0], [0, 1]]).expand(2, 4, 2)
    torch.testing.assert_close(position[..., 2:], expected, atol=1e-6, rtol=0)


def test_golden_layer(golden):
    file = golden("bevformer_layer")
    data = file.part("in")
    config = file.config
    (attention,) = config["attn_cfgs"]
    # DEFECT: the layer's own hidden width overrides that of `ffn_cfgs`.
    ffn_width = config["feedforward_channels"]
    layer = TemporalLayer(golden_attention(attention), attention["embed_dims"], ffn_width)
    weights = file.part("weights")
    layer.load_state_dict(our_weights(weights, LAYER))
    query = data["query"].clone().requires_grad_()
    flat = data["value"].clone().requires_grad_()
    result = layer(query, data["query_pos"], *golden_sources(flat, config, len(query)))
    file.check("out.out", result)
    loss = (result * data["cot"]).sum()
    file.check("out.loss", loss)
    loss.backward()
    file.check("out.grad.in.query", query.grad)
    file.check("out.grad.in.value", flat.grad)
    parameters = dict(layer.named_parameters())
    for name, ours in our_names(weights, LAYER).items():
        file.check(f"out.grad.weights.{name}", parameters[ours].grad)


def test_golden_decoder(golden):
    file = golden("bitemporal_predictor")
    out, weights = file.part("out"), file.part("weights")
    config = file.config
    num_sources, grid_yx = config["num_adj"], (config["bev_h"], config["bev_w"])
    channels, z = out["out"].shape[1:3]
    layer = {b: config[f"decoder_{b}"]["transformerlayers"] for b in ("short", "long")}
    attention = {b: layer[b]["attn_cfgs"][0] for b in layer}
    decoder = ImportedDecoder(
        channels,
        z,
        width=config["embed_dims"],
        long_width=config["embed_dims"] // config["reduction"],
        short_heads=attention["short"]["num_heads"],
        long_heads=attention["long"]["num_heads"],
        num_points=attention["short"].get("num_points", 4),  # the released default
        num_layers=config["decoder_short"]["num_layers"],
        short_ffn_width=layer["short"]["feedforward_channels"],
        long_ffn_width=layer["long"]["feedforward_channels"],
        start_from_mean=False,
        positional_sources=num_sources,
        grid_yx=grid_yx,
    )
    decoder.load_state_dict(our_weights(weights, DECODER))
    branches: dict[str, Tensor] = {}
    for b in layer:
        position = sine_position(*grid_yx, attention[b]["embed_dims"] // 2)
        file.check(f"out.pos_{b}", position.permute(2, 0, 1)[None])
    for name in layer:
        module = getattr(decoder, name)
        module.register_forward_hook(
            lambda _, __, result, name=name: branches.__setitem__(name, result)
        )
    leaves = [feature.clone().requires_grad_() for feature in file.series("in.feat")]
    assert len(leaves) == num_sources
    warped = torch.stack(leaves, dim=1).unflatten(2, (channels, z))
    valid = torch.ones_like(warped[:, :, 0], dtype=torch.bool)
    dt_s = torch.zeros(warped.shape[:2])
    result = decoder(Sources(warped, valid, dt_s, torch.ones_like(dt_s, dtype=torch.bool)))
    file.check("out.bev_short", branches["short"])
    file.check("out.bev_long", branches["long"])
    file.check("out.out", result)
    loss = result.square().mean()
    file.check("out.loss", loss)
    loss.backward()
    parameters = dict(decoder.named_parameters())
    gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    official = official_values(gradients, DECODER)
    for name in weights:
        file.check(f"out.gradnorm.{name}", official[name].norm())
    for name in file.part("out.grad.weights"):
        file.check(f"out.grad.weights.{name}", official[name])
    for i, leaf in enumerate(leaves):
        if f"grad.in.feat.{i}" in out:
            file.check(f"out.grad.in.feat.{i}", leaf.grad)
