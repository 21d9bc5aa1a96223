from collections.abc import Callable

import pytest
import torch
from torch import nn

from mim4d.models.depth_head import AsppDepthHead, AsppDepthNet, DepthBins, DepthHead
from tests.exchange.official_parts import our_weights
from tests.parity import GoldenFile

BINS = DepthBins(num=8, first_m=1.0, last_m=15.0)


def test_bins_have_evenly_spaced_centres() -> None:
    assert BINS.centres_m.tolist() == [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0]
    assert BINS.step_m == 2.0


@pytest.mark.parametrize("bins", [(1, 0.0, 5.0), (4, 5.0, 5.0), (4, -1.0, 5.0)])
def test_bins_that_do_not_ascend_are_refused(bins: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="depth bins: expected at least two"):
        DepthBins(*bins)


def golden_bins(num: int) -> DepthBins:
    """So many bins; where they lie in metres changes no distribution."""
    return DepthBins(num, 1.0, 1.0 + num)


def test_golden_simple(golden: Callable[[str], GoldenFile]) -> None:
    file = golden("simple_depth")
    head = DepthHead(file.config["in_channels"], golden_bins(file.config["depth_dim"]))
    head.load_state_dict(our_weights(file.part("weights"), ""))
    features, depth_probs = head(file.series("in.level"))
    for k, (feature, probs) in enumerate(zip(features, depth_probs, strict=True)):
        file.check(f"out.feat.{k}", feature)
        file.check(f"out.depth.{k}", probs)


def test_golden_aspp(golden: Callable[[str], GoldenFile]) -> None:
    file = golden("complex_depth")
    config = file.config
    channels, num_bins = config["in_channels"], config["depth_channels"]
    assert not config["use_dcn"], "ours has no deformable convolution"
    mid, aspp = config["mid_channels"], config["aspp_mid_channels"]
    net = AsppDepthNet(channels, num_bins, mid, aspp, norm=nn.BatchNorm2d).eval()
    net.load_state_dict(our_weights(file.part("weights"), "depth_net."))
    logits = net(file.tensors["in.feat"])
    file.check("out.logits", logits)
    head = DepthHead(channels, golden_bins(num_bins), net)
    nn.init.dirac_(head.projection.weight)
    assert head.projection.bias is not None
    nn.init.zeros_(head.projection.bias)
    _, (depth_probs,) = head([file.tensors["in.feat"]])
    file.check("out.depth", depth_probs)


HEADS: list[Callable[[], DepthHead]] = [
    lambda: DepthHead(6, BINS),
    lambda: AsppDepthHead(6, BINS, aspp_channels=4, dropout=0.0),
]


@pytest.mark.parametrize("make", HEADS)
def test_probabilities_sum_to_one_and_every_parameter_gets_a_gradient(
    make: Callable[[], DepthHead], seed: torch.Generator
) -> None:
    head = make()
    levels = [torch.randn(2, 6, h, w, generator=seed) for h, w in ((6, 8), (3, 4))]
    features, depth_probs = head(levels)
    for level, feature, probs in zip(levels, features, depth_probs, strict=True):
        assert feature.shape == level.shape
        assert probs.shape == (2, 8, *level.shape[-2:])
        torch.testing.assert_close(probs.sum(dim=1), torch.ones_like(probs[:, 0]))
    terms = [
        (f.mean(dim=1, keepdim=True) * p).square().sum()
        for f, p in zip(features, depth_probs, strict=True)
    ]
    torch.stack(terms).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in head.parameters())


@pytest.mark.parametrize("make", HEADS)
def test_a_batch_of_two_is_two_batches_of_one_in_training(
    make: Callable[[], DepthHead], seed: torch.Generator
) -> None:
    head = make().train()
    x = torch.randn(2, 6, 6, 8, generator=seed)
    both = head([x])[1][0]
    alone = torch.cat([head([x[k : k + 1]])[1][0] for k in range(2)])
    torch.testing.assert_close(both, alone, rtol=1e-5, atol=1e-6)


def test_the_softmax_stays_in_float32_under_autocast(seed: torch.Generator) -> None:
    head = DepthHead(6, DepthBins(64, 0.0, 63.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (feature,), (probs,) = head([torch.randn(1, 6, 5, 7, generator=seed)])
    assert feature.dtype == torch.bfloat16
    assert probs.dtype == torch.float32
    # A sum of 64 bfloat16 probabilities would be off by about 1e-3.
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(1, 5, 7), rtol=0, atol=1e-6)
