"""On a scene whose every pixel is known: the true depth agrees, and nothing else does."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.pretraining.photometric.patch_cost import (
    Patch,
    patch_costs,
    photometric_cost,
    ssim_loss,
    static_costs,
)
from tests.pretraining.scene import HEIGHT, SQUARE_M, WALL_M, WIDTH, look

PATCH = Patch(3, 1.5)
HERE, LEFT, RIGHT, AHEAD = (0.0, 0.0, 0.0), (-0.6, 0.1, 0.0), (0.7, 0.0, 0.0), (0.1, 0.0, 1.5)
# Four on the wall, then three on the square.
PIXELS = torch.tensor(
    [
        [14.5, 10.5],
        [48.5, 12.5],
        [12.5, 36.5],
        [50.5, 38.5],
        [32.5, 24.5],
        [29.5, 22.5],
        [35.5, 27.5],
    ]
)[None]
TRUE_M = torch.tensor([WALL_M] * 4 + [SQUARE_M] * 3)[None]


def test_the_true_depth_costs_nothing_and_is_the_least() -> None:
    views, partners, depth = look(HERE, LEFT, RIGHT, AHEAD)
    column, row = PIXELS[0].floor().long().unbind(-1)
    assert torch.equal(depth[row, column], TRUE_M[0])
    ratios = torch.tensor([0.5, 0.7, 0.85, 1.0, 1.15, 1.4, 2.0])
    costs, valid = patch_costs(views, partners, PIXELS, TRUE_M.unsqueeze(-1) * ratios, PATCH)
    assert valid[..., 2:].all()
    assert (costs[..., 3] < 0.005).all()
    assert (costs.argmin(dim=-1) == 3).all()
    assert (costs[..., [2, 4]] > 5 * costs[..., [3]]).all()


def test_the_gradient_leads_to_the_true_depth() -> None:
    views, partners, _ = look(HERE, LEFT, AHEAD)
    for factor, sign in ((0.96, -1), (1.04, 1)):
        depths = (TRUE_M * factor).unsqueeze(-1).requires_grad_()
        costs, _ = patch_costs(views, partners, PIXELS, depths, PATCH)
        (gradient,) = torch.autograd.grad(costs.sum(), depths)
        assert (gradient * sign > 0).all(), (factor, gradient)


def test_what_one_source_cannot_see_another_explains() -> None:
    """Just left of the square, the right camera sees the square's front instead of the wall."""
    pixel, depth = torch.tensor([[[18.5, 24.5]]]), torch.tensor([[[WALL_M]]])
    hidden = patch_costs(*look(HERE, (1.2, 0.0, 0.0))[:2], pixel, depth, PATCH)
    both = patch_costs(*look(HERE, (1.2, 0.0, 0.0), LEFT)[:2], pixel, depth, PATCH)
    assert hidden[0].item() > 0.1
    assert both[0].item() < 0.005
    assert hidden[1].all()


@pytest.mark.parametrize(
    ("pixel", "depth_m"),
    [
        ((32.5, 24.5), 0.2),  # 0.6 m to the left is then far outside
        ((32.5, 24.5), 0.05),  # nearer than any camera sees
        ((0.5, 24.5), 10.0),  # the patch leaves the target's own picture
    ],
)
def test_out_of_the_picture_is_not_compared(pixel: tuple[float, float], depth_m: float) -> None:
    views, partners, _ = look(HERE, LEFT)
    costs, valid = patch_costs(
        views, partners, torch.tensor([[pixel]]), torch.tensor([[[depth_m]]]), PATCH
    )
    assert not valid.any()
    assert costs.item() == 1.0


def test_behind_a_source_is_not_compared() -> None:
    views, partners, _ = look(HERE, (0.0, 0.0, 4.0))
    _, valid = patch_costs(
        views, partners, torch.tensor([[[32.5, 24.5]]]), torch.tensor([[[3.0, 4.6]]]), PATCH
    )
    assert valid.tolist() == [[[False, True]]]


def test_unusable_pixels_and_missing_sources_are_not_compared() -> None:
    views, partners, _ = look(HERE, LEFT)
    depths = TRUE_M.unsqueeze(-1)
    for image in (0, 1):
        rgba = views.rgba.clone()
        rgba[image, 3, :, WIDTH // 2 :] = 0  # the right half shows the car itself
        _, valid = patch_costs(replace(views, rgba=rgba), partners, PIXELS, depths, PATCH)
        assert valid[0, [0, 2], 0].all()
        assert not valid[0, [1, 3], 0].any()
    absent = replace(partners, exists=torch.zeros_like(partners.exists))
    assert not patch_costs(views, absent, PIXELS, depths, PATCH)[1].any()
    assert (static_costs(views, absent, PIXELS, PATCH) == 1).all()


def test_static_costs() -> None:
    views, partners, _ = look(HERE, HERE)
    assert static_costs(views, partners, PIXELS, PATCH).abs().max() < 1e-5
    views, partners, _ = look(HERE, RIGHT)
    assert (static_costs(views, partners, PIXELS, PATCH) > 0.02).all()
    neighbour = replace(partners, same_camera=torch.zeros_like(partners.same_camera))
    assert (static_costs(views, neighbour, PIXELS, PATCH) == 1).all()


def test_patch() -> None:
    around = Patch(3, 2.0).around(torch.tensor([[[10.0, 20.0]]]))
    assert around.shape == (1, 1, 9, 2)
    assert around[0, 0, 0].tolist() == [8.0, 18.0]
    assert around[0, 0, 1].tolist() == [10.0, 18.0]
    assert around[0, 0, 4].tolist() == [10.0, 20.0]


def _slow_ssim_loss(a: list[float], b: list[float]) -> float:
    """Textbook SSIM (Wang et al. 2004, equation 13), number by number."""
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    var_a = sum((x - mean_a) ** 2 for x in a) / n
    var_b = sum((x - mean_b) ** 2 for x in b) / n
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / n
    luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    structure = (2 * cov + 9e-4) / (var_a + var_b + 9e-4)
    return min(max((1 - luminance * structure) / 2, 0.0), 1.0)


def test_ssim_equals_its_slow_twin(seed: torch.Generator) -> None:
    a, b = torch.rand(2, 20, 9, generator=seed, dtype=torch.float64).unbind(0)
    slow = [_slow_ssim_loss(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    torch.testing.assert_close(ssim_loss(a, b), torch.tensor(slow, dtype=torch.float64))
    assert ssim_loss(a, a).abs().max() < 1e-12
    assert (ssim_loss(a, 1 - a) > 0.5).all()


def test_photometric_cost_by_hand() -> None:
    black, grey = torch.zeros(1, 3, 9), torch.full((1, 3, 9), 0.5)
    # Flat patches: structure 1, luminance 1e-4 / (0.25 + 1e-4).
    ssim = (1 - 1e-4 / (0.25 + 1e-4)) / 2
    cost: Tensor = photometric_cost(black, grey, channel_axis=1)
    assert cost.item() == pytest.approx(0.85 * ssim + 0.15 * 0.5, rel=1e-5)
    assert math.isclose(photometric_cost(grey, grey, channel_axis=1).item(), 0.0, abs_tol=1e-6)


def test_the_scene_fits_its_picture() -> None:
    views, _, depth = look(HERE)
    assert views.rgba.shape == (1, 4, HEIGHT, WIDTH)
    assert set(depth.unique().tolist()) == {SQUARE_M, WALL_M}
