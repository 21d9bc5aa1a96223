import pytest
import torch

from mim4d.temporal.attention import DeformableAttention
from mim4d.temporal.imported import PositionalAttention
from tests.reference.temporal import attention_loops

Y, X, WIDTH = 4, 5, 8


def perturbed(module, seed, scale=0.3):
    """Random numbers in place of the zeros of a fresh module."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=seed)
    return module


def inputs(b, s, seed):
    query = torch.randn(b, Y * X, WIDTH, generator=seed)
    position = torch.randn(1, Y * X, WIDTH, generator=seed)
    values = torch.randn(b, s, Y, X, WIDTH, generator=seed)
    embedding = torch.randn(b, s, WIDTH, generator=seed)
    return query, position, values, torch.ones(b, s, dtype=torch.bool), embedding


def test_equals_loops(seed):
    module = perturbed(DeformableAttention(WIDTH, 2, 3), seed)
    query, position, values, present, embedding = inputs(2, 3, seed)
    present[1, 0] = False
    actual = module(query, position, values, present, embedding)
    expected = attention_loops(module, query, position, values, present, embedding)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_starts_as_a_star():
    module = DeformableAttention(WIDTH, 4, 2)
    offsets = module.sampling_offsets.bias.view(4, 2, 2)
    expected = torch.tensor([[1.0, 0.0], [0, 1], [-1, 0], [0, -1]])
    torch.testing.assert_close(offsets[:, 0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(offsets[:, 1], 2 * expected, atol=1e-6, rtol=0)
    assert not module.sampling_offsets.weight.any()
    assert not module.attention_weights.weight.any()


def test_a_pixel_is_found_at_its_offset():
    # One head, one point, one cell to the right (the star's first point): values shift left.
    module = DeformableAttention(4, 1, 1)
    with torch.no_grad():
        for linear in (module.value_proj, module.output_proj):
            linear.weight.copy_(torch.eye(4))
    values = torch.arange(Y * X * 4.0).view(1, 1, Y, X, 4)
    zero = torch.zeros(1, Y * X, 4)
    result = module(zero, zero, values, torch.ones(1, 1, dtype=torch.bool)).view(Y, X, 4)
    torch.testing.assert_close(result[:, :-1], values[0, 0, :, 1:])
    assert result[:, -1].abs().max() < 1e-4  # zero outside the map


def test_absent_sources_have_no_influence(seed):
    module = perturbed(DeformableAttention(WIDTH, 2, 3), seed)
    query, position, values, present, embedding = inputs(2, 3, seed)
    present[:, 1] = False
    keep = torch.tensor([0, 2])
    expected = module(query, position, values[:, keep], present[:, keep], embedding[:, keep])
    actual = module(query, position, values, present, embedding)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)
    nothing = module(query, position, values, torch.zeros_like(present), embedding)
    torch.testing.assert_close(nothing, query + module.output_proj.bias)


def test_order_of_sources_does_not_matter(seed):
    module = perturbed(DeformableAttention(WIDTH, 2, 3), seed)
    query, position, values, present, embedding = inputs(2, 4, seed)
    order = torch.tensor([2, 0, 3, 1])
    expected = module(query, position, values, present, embedding)
    actual = module(query, position, values[:, order], present[:, order], embedding[:, order])
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)


def test_width_must_divide_into_heads():
    with pytest.raises(ValueError, match="width 10 is not a multiple of 4 heads"):
        DeformableAttention(10, 4, 4)


def golden_attention(config):
    """Attention as a golden file's `TemporalCrossAttention` is configured."""
    return PositionalAttention(
        config["embed_dims"],
        config["num_heads"],
        config.get("num_points", 4),  # the released default
        num_sources=config["num_bev_queue"],
    )


def golden_sources(value, config, batch):
    """The stored (batch queue, cells, channels) as values of sources that all exist."""
    cells = (config["bev_h"], config["bev_w"])
    values = value.unflatten(0, (batch, -1)).unflatten(2, cells)
    return values, torch.ones(values.shape[:2], dtype=torch.bool)


def test_golden_temporal_cross_attention(golden):
    file = golden("temporal_cross_attention")
    data = file.part("in")
    module = golden_attention(file.config)
    module.load_state_dict(file.part("weights"))
    query = data["query"].clone().requires_grad_()
    flat = data["value"].clone().requires_grad_()
    result = module(query, data["query_pos"], *golden_sources(flat, file.config, len(query)))
    file.check("out.out", result)
    loss = (result * data["cot"]).sum()
    file.check("out.loss", loss)
    loss.backward()
    file.check("out.grad.in.query", query.grad)
    file.check("out.grad.in.value", flat.grad)
    for name, parameter in module.named_parameters():
        file.check(f"out.grad.weights.{name}", parameter.grad)
