import torch

from mim4d.rendering.compositing import (
    render_colour,
    render_distance,
    render_distance_normalised,
    render_normals,
    render_weights,
)
from tests.reference.rendering import weights_by_loop


def test_weights_by_hand_and_by_loop(seed):
    # 0.4 stopped, 0.6 left; half of it, 0.3 left; nothing; all of the rest.
    alpha = torch.tensor([[[0.4, 0.5, 0.0, 1.0, 0.7]]])
    expected = torch.tensor([[[0.4, 0.3, 0.0, 0.3, 0.0]]])
    torch.testing.assert_close(render_weights(alpha), expected, atol=1e-6, rtol=1e-5)
    alpha = torch.rand(2, 3, 20, generator=seed, dtype=torch.float64)
    for b in range(2):
        for r in range(3):
            twin = torch.tensor(weights_by_loop(alpha[b, r].tolist()), dtype=torch.float64)
            torch.testing.assert_close(render_weights(alpha)[b, r], twin, atol=1e-6, rtol=1e-5)


def test_weights_are_at_most_one_with_finite_gradients():
    alpha = torch.tensor([[[1.0, 1.0, 0.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]]], requires_grad=True)
    weights = render_weights(alpha)
    assert weights.sum(dim=-1).max() <= 1 + 1e-6
    (weights * torch.arange(4.0)).sum().backward()
    assert alpha.grad is not None
    assert torch.isfinite(alpha.grad).all()


def test_colour_distance_normal_by_hand():
    weights = torch.tensor([[[0.25, 0.5]]])
    colours = torch.tensor([[[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]])
    assert render_colour(weights, colours).tolist() == [[[0.25, 0.5, 0.0]]]
    white = torch.ones(1, 1, 3)
    assert render_colour(weights, colours, white).tolist() == [[[0.5, 0.75, 0.25]]]
    distances, far = torch.tensor([[[2.0, 4.0]]]), torch.tensor([[10.0]])
    assert render_distance(weights, distances, far).item() == 0.5 + 2.0 + 2.5
    assert render_distance(weights * 0, distances, far).item() == 10.0
    torch.testing.assert_close(
        render_distance_normalised(weights, distances), torch.tensor([[2.5 / 0.75]])
    )
    assert render_distance_normalised(weights * 0, distances).item() == 2.0  # clipped from 0
    assert render_normals(weights, 3 * colours).tolist() == [[[0.25, 0.5, 0.0]]]


def test_golden_weights(golden):
    file = golden("neus_field")
    alpha = file.tensors["out.alphas"][None, ..., 0]
    weights = render_weights(alpha)
    file.check("out.weights_from_alphas", weights[0, ..., None])
    # What is left before each section, and behind the last.
    passing = 1 - weights.cumsum(dim=-1)[0]
    left = torch.cat([torch.ones_like(passing[:, :1]), passing], dim=-1)
    file.check("out.transmittance_from_alphas", left[..., None])
