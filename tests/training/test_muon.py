"""Muon: the orthogonal factor, whose parameters it takes, a step by hand, and exact resume."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from mim4d.config import OptimConfig
from mim4d.training.muon import (
    MOMENTUM,
    MuonAdamW,
    convolution_kernels,
    orthogonalised,
)
from mim4d.training.optim import build_optimizer
from tests.toy import toy_config, toy_model


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8)])
def test_singular_values_come_near_one_and_directions_stay(shape, seed):
    matrix = torch.randn(shape, generator=seed) * 100
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = torch.diag(left.T @ orthogonalised(matrix) @ right.T)
    assert inner.min() > 0.6
    assert inner.max() < 1.3
    turned = orthogonalised(matrix) - left @ torch.diag(inner) @ right
    assert turned.abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(16, 300), (300, 16)])
def test_equals_the_plain_iteration_in_double_precision(shape, seed):
    """Singular values over four orders of magnitude, as gradients have them."""
    matrix = torch.randn(shape, generator=seed, dtype=torch.float64)
    scales = torch.logspace(0, -4, 16, dtype=torch.float64)
    matrix = matrix * scales if shape[1] == 16 else matrix * scales.unsqueeze(1)
    plain = matrix / matrix.norm()
    for _ in range(5):
        left = plain @ plain.T
        plain = 3.4445 * plain - 4.7750 * left @ plain + 2.0315 * left @ left @ plain
    found = orthogonalised(matrix.float()).double()
    assert (found - plain).norm() < 1e-3 * plain.norm()


def test_nothing_stays_nothing():
    assert orthogonalised(torch.zeros(8, 9)).abs().max() == 0


def test_takes_kernels_but_no_depthwise_ones_and_no_thin_ones():
    kernels = nn.Conv2d(16, 8, 3), nn.Conv3d(8, 8, 3)
    others = nn.Conv2d(16, 16, 3, groups=16), nn.Conv2d(16, 4, 1), nn.Linear(16, 16), nn.PReLU(8)
    found = convolution_kernels(nn.ModuleList([*kernels, *others]))
    assert found == {id(layer.weight) for layer in kernels}


def test_a_first_step_by_hand(seed):
    """Momentum starts at 0.05 g; looking ahead scales all of g alike, which the norm removes."""
    kernel = nn.Parameter(torch.randn(8, 4, 3, 3, generator=seed))
    before, gradient = kernel.detach().clone(), torch.randn(kernel.shape, generator=seed)
    kernel.grad = gradient
    group = {"params": [kernel], "lr": 0.1, "weight_decay": 0.5, "orthogonal": True}
    optimizer = MuonAdamW([group], betas=(0.9, 0.99))
    optimizer.step()
    update = orthogonalised(gradient.flatten(1)).view_as(kernel)
    expected = before * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 36**0.5 * update
    torch.testing.assert_close(kernel.detach(), expected, rtol=1e-4, atol=1e-5)
    momentum = optimizer.state[kernel]["momentum"]
    torch.testing.assert_close(momentum, (1 - MOMENTUM) * gradient)


def test_everything_else_learns_by_adamw(seed):
    kernel, vector = (nn.Parameter(torch.ones(shape)) for shape in ((8, 8, 3, 3), (5,)))
    alone = nn.Parameter(vector.detach().clone())
    rest = {"lr": 0.1, "weight_decay": 0.01}
    both = MuonAdamW(
        [{"params": [kernel], "orthogonal": True, **rest}, {"params": [vector], **rest}],
        betas=(0.9, 0.99),
    )
    adamw = AdamW([{"params": [alone], **rest}], betas=(0.9, 0.99), fused=True)
    for _ in range(3):
        kernel.grad = torch.randn(kernel.shape, generator=seed)
        vector.grad = torch.randn(5, generator=seed)
        alone.grad = vector.grad.clone()
        both.step()
        adamw.step()
    assert torch.equal(vector, alone)


def test_a_stored_state_goes_on_exactly(seed):
    gradients = torch.randn(6, 8, 8, 3, 3, generator=seed)

    def run(kernel, optimizer, steps):
        for step in steps:
            kernel.grad = gradients[step].clone()
            optimizer.step()

    def make(values):
        kernel = nn.Parameter(values.clone())
        group = {"params": [kernel], "lr": 0.1, "weight_decay": 0.01, "orthogonal": True}
        return kernel, MuonAdamW([group], betas=(0.9, 0.99))

    whole, first = make(torch.ones(8, 8, 3, 3)), make(torch.ones(8, 8, 3, 3))
    run(whole[0], whole[1], range(6))
    run(first[0], first[1], range(3))
    resumed = make(first[0].detach())
    resumed[1].load_state_dict(copy.deepcopy(first[1].state_dict()))
    run(resumed[0], resumed[1], range(3, 6))
    assert torch.equal(resumed[0], whole[0])


def test_each_parameter_is_in_one_group_and_kernels_of_the_backbone_have_its_rate():
    model = toy_model(toy_config())
    backbone = model.encoder.image_encoder
    config = OptimConfig(method="muon", lr=1e-3, backbone_lr_factor=0.1)
    optimizer, _ = build_optimizer(model, backbone, config)
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert len(groups) == sum(len(group["params"]) for group in optimizer.param_groups)
    assert set(groups) == {id(p) for p in model.parameters() if p.requires_grad}
    kernels, of_backbone = convolution_kernels(model), {id(p) for p in backbone.parameters()}
    assert kernels & of_backbone
    assert kernels - of_backbone
    for identity, group in groups.items():
        assert group["orthogonal"] == (identity in kernels)
        expected = 1e-4 if identity in of_backbone else 1e-3
        assert group["initial_lr"] == pytest.approx(expected)
