from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.models.volume_conv import VolumeConv, conv3d_by_layers, conv3d_same
from tests.exchange.official_parts import our_weights
from tests.parity import GoldenFile


def test_golden(golden: Callable[[str], GoldenFile]) -> None:
    file = golden("render_conv")
    channels = file.config["out_channels"]
    module = VolumeConv(file.config["in_channels"], channels, nn.BatchNorm3d(channels))
    weights = our_weights(file.part("weights"), "render_conv.")
    module.load_state_dict(weights)
    volume = file.tensors["in.volume"]
    file.check("out.eval", module.eval()(volume))
    file.check("out.train", module.train()(volume))
    norm = module.norm
    assert isinstance(norm, torch.nn.BatchNorm3d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    file.check("out.train.running_mean", norm.running_mean)
    file.check("out.train.running_var", norm.running_var)
    # The golden volumes are a batch; each alone takes the other formulation.
    module.load_state_dict(weights)
    alone = torch.cat([module.eval()(volume[k : k + 1]) for k in range(len(volume))])
    file.check("out.eval", alone)


def convolution(seed: torch.Generator, m: int) -> tuple[Tensor, Tensor, Tensor]:
    shapes = ((m, 3, 4, 5, 6), (7, 3, 3, 3, 3), (7,))
    volume, weight, bias = (torch.randn(s, generator=seed).requires_grad_() for s in shapes)
    return volume, weight, bias


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("function", [conv3d_by_layers, conv3d_same])
def test_equals_conv3d_with_gradients(
    function: Callable[[Tensor, Tensor, Tensor], Tensor], m: int, seed: torch.Generator
) -> None:
    inputs = convolution(seed, m)
    expected = F.conv3d(*inputs, padding=1)
    actual = function(*inputs)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    cotangent = torch.randn(expected.shape, generator=seed)
    for a, b in zip(
        torch.autograd.grad(actual, inputs, cotangent),
        torch.autograd.grad(expected, inputs, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


def test_one_layer_and_one_voxel(seed: torch.Generator) -> None:
    weight, bias = torch.randn(2, 3, 3, 3, 3, generator=seed), torch.zeros(2)
    voxel = torch.randn(1, 3, 1, 1, 1, generator=seed)
    # Only the kernel's centre sees a lone voxel; everything around it is zero padding.
    expected = weight[:, :, 1, 1, 1] @ voxel[0, :, 0, 0, 0]
    torch.testing.assert_close(conv3d_by_layers(voxel, weight, bias)[0, :, 0, 0, 0], expected)


@pytest.mark.parametrize("norm", [None, nn.BatchNorm3d(6)])
def test_every_parameter_gets_a_gradient(norm: nn.Module | None, seed: torch.Generator) -> None:
    module = VolumeConv(4, 6, norm)
    out = module(torch.randn(2, 4, 3, 5, 5, generator=seed))
    assert out.shape == (2, 6, 3, 5, 5)
    assert (out >= 0).all()
    (out * torch.randn(out.shape, generator=seed)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


def test_a_batch_of_two_is_two_batches_of_one_in_training(seed: torch.Generator) -> None:
    module = VolumeConv(4, 6).train()
    volume = torch.randn(2, 4, 3, 5, 5, generator=seed)
    alone = torch.cat([module(volume[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(module(volume), alone, rtol=1e-5, atol=1e-5)


def test_runs_under_autocast(seed: torch.Generator) -> None:
    module = VolumeConv(16, 16)
    volume = torch.randn(1, 16, 3, 5, 5, generator=seed)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(volume)
    torch.testing.assert_close(out.float(), module(volume), rtol=0.1, atol=0.05)
