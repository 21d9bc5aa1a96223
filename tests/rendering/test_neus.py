import pytest
import torch

from mim4d.rendering.neus import alpha_between, alpha_from_sdf
from tests.reference.rendering import alpha_textbook


@pytest.mark.parametrize("epsilon", [0.0, 1e-5])
def test_stable_form_equals_textbook_where_both_work(seed, epsilon):
    sdf = torch.randn(2, 3, 9, generator=seed, dtype=torch.float64)
    gradient = torch.randn(2, 3, 9, 3, generator=seed, dtype=torch.float64)
    directions = torch.nn.functional.normalize(
        torch.randn(2, 3, 3, generator=seed), dim=-1
    ).double()
    lengths = torch.rand(2, 3, 9, generator=seed, dtype=torch.float64)
    slope = (gradient * directions[:, :, None]).sum(dim=-1)
    sharpness = torch.tensor(3.0, dtype=torch.float64)
    actual = alpha_from_sdf(sdf, gradient, directions, lengths, sharpness, epsilon=epsilon)
    torch.testing.assert_close(actual, alpha_textbook(sdf, slope, lengths, 3.0, epsilon))


def test_by_hand():
    """One section across a surface hit face on at great sharpness stops all the light."""
    args = (torch.tensor([[[0.0]]]), torch.tensor([[[[0.0, 0.0, 1.0]]]]))
    down, one = torch.tensor([[[0.0, 0.0, -1.0]]]), torch.tensor([[[1.0]]])
    assert alpha_from_sdf(*args, down, one, torch.tensor(1000.0)).item() == pytest.approx(1)
    # Leaving the surface stops nothing, unless annealing gives it a slope.
    assert alpha_from_sdf(*args, -down, one, torch.tensor(1000.0)).item() == 0
    sideways = torch.tensor([[[1.0, 0.0, 0.0]]])
    assert alpha_from_sdf(*args, sideways, one, torch.tensor(9.0), cos_anneal=0.0).item() > 0.5


@pytest.mark.parametrize("epsilon", [0.0, 1e-5])
def test_extremes_are_finite(epsilon):
    start = torch.tensor([1e4, 1e4, -1e4, 0.0, 1.0, -1.0, 0.0], requires_grad=True)
    drop = torch.tensor([0.0, 2e4, 10.0, 0.0, 1e-8, 1e-8, 1e6], requires_grad=True)
    for value in (1e-6, 1.0, 1e6):
        sharpness = torch.tensor(value, requires_grad=True)
        alpha = alpha_between(start, start - drop, sharpness, epsilon)
        grads = torch.autograd.grad(alpha.sum(), (start, drop, sharpness))
        assert ((alpha >= 0) & (alpha <= 1)).all()
        assert all(torch.isfinite(g).all() for g in grads)
