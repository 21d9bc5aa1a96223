from typing import Any

import pytest
import torch

from mim4d.temporal.map_lookup import look_up, look_up_by_grid_sample

B, S, Y, X, HEADS, POINTS = 2, 3, 5, 6, 2, 3


def wishes(seed, channels=8, dtype=torch.float32):
    """Maps, places (some of them outside of the maps) and weights."""
    maps = torch.randn(B, S, Y, X, HEADS, channels, generator=seed, dtype=dtype)
    asked = 3 * torch.randn(B, Y * X, HEADS, S, 3, POINTS, generator=seed, dtype=dtype)
    shares = torch.tensor([[0.5, 0.0, 0.5], [0.2, 0.3, 0.5]], dtype=dtype)
    return maps, asked, shares


@pytest.mark.parametrize("channels", [1, 4, 8, 19])
def test_compiled_loops_equal_grid_sample(seed, channels):
    maps, asked, shares = wishes(seed, channels)
    results = []
    cotangent = torch.randn(B, Y * X, HEADS, channels, generator=seed)
    ways: tuple[Any, ...] = (look_up, look_up_by_grid_sample)  # an operator of torch, a function
    for way in ways:
        leaves = [maps.clone().requires_grad_(), asked.clone().requires_grad_()]
        found = way(*leaves, shares)
        found.backward(cotangent)
        results.append([found.detach(), *(leaf.grad for leaf in leaves)])
    for compiled, plain in zip(*results, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)
    assert results[0][0].abs().max() > 0.1


def test_gradients_are_those_of_differences(seed):
    maps, asked, shares = wishes(seed, channels=2, dtype=torch.float64)
    # Away from the kinks at whole numbers of cells.
    asked[:, :, :, :, :2] = (
        asked[:, :, :, :, :2].floor()
        + 0.2
        + 0.6 * torch.rand(asked[:, :, :, :, :2].shape, generator=seed, dtype=torch.float64)
    )
    leaves = (maps.requires_grad_(), asked.requires_grad_())
    assert torch.autograd.gradcheck(lambda m, a: look_up(m, a, shares), leaves, fast_mode=True)


def test_two_threads_find_the_same(seed):
    maps, asked, shares = wishes(seed)
    maps.requires_grad_()
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found = look_up(maps, asked, shares)
            results.append((found, *torch.autograd.grad(found.square().sum(), maps)))
    finally:
        torch.set_num_threads(threads)
    for one, three in zip(*results, strict=True):
        assert torch.equal(one, three)


def test_a_place_that_is_no_number_stays_within_the_map(seed):
    maps, asked, shares = wishes(seed)
    asked[0, 0, 0, 0, 0, 0] = torch.nan
    asked[0, 1, 0, 0, 1, 0] = torch.inf
    found = look_up(maps, asked, shares)
    assert found[1].isfinite().all()
