import pytest
import torch

from mim4d.rendering.imported import ImportedRenderer
from mim4d.rendering.rays import Rays
from mim4d.rendering.sampling import (
    importance_edges,
    invert_cdf,
    quantiles,
    sample_distances,
    section_weights,
    uniform_edges,
)
from tests.reference.rendering import inverse_cdf_by_loop
from tests.rendering.golden_field import golden_field


def test_uniform_edges_by_hand():
    near, far = torch.tensor([[1.0]]), torch.tensor([[5.0]])
    torch.testing.assert_close(
        uniform_edges(near, far, 4, None), torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    )
    # Posts move from 0.5 before to 0.5 after themselves; the ends move inwards only.
    jittered = uniform_edges(near, far, 4, torch.tensor([[0.0]]))
    torch.testing.assert_close(jittered, torch.tensor([[[1.0, 1.5, 2.5, 3.5, 4.5]]]))
    jittered = uniform_edges(near, far, 4, torch.tensor([[0.5]]))
    torch.testing.assert_close(jittered, torch.tensor([[[1.25, 2.0, 3.0, 4.0, 4.75]]]))


def test_log_edges_are_equal_factors_of_one_metre_more():
    near, far = torch.tensor([[1.0]]), torch.tensor([[31.0]])
    edges = uniform_edges(near, far, 4, None, "log")
    torch.testing.assert_close(edges, torch.tensor([[[1.0, 3.0, 7.0, 15.0, 31.0]]]))
    jittered = uniform_edges(near, far, 4, torch.tensor([[0.7]]), "log")
    assert ((jittered >= 1) & (jittered <= 31)).all()
    assert (jittered.diff() > 0).all()


def test_sample_positions():
    edges = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert sample_distances(edges, "start").tolist() == [[[1.0, 2.0]]]
    assert sample_distances(edges, "middle").tolist() == [[[1.5, 3.0]]]


def test_invert_cdf_equals_loop(seed):
    edges = torch.rand(2, 3, 9, generator=seed, dtype=torch.float64).sort(dim=-1).values
    weights = torch.rand(2, 3, 8, generator=seed, dtype=torch.float64)
    shares = torch.rand(2, 3, 5, generator=seed, dtype=torch.float64)
    actual = invert_cdf(edges, weights, shares)
    for b in range(2):
        for r in range(3):
            for k in range(5):
                expected = inverse_cdf_by_loop(
                    edges[b, r].tolist(), weights[b, r].tolist(), shares[b, r, k].item()
                )
                assert abs(actual[b, r, k].item() - expected) < 1e-9


def test_importance_goes_where_the_weight_is():
    edges = torch.linspace(0, 10, 11)[None, None]
    weights = torch.zeros(1, 1, 10)
    weights[..., 3] = 0.7
    merged = importance_edges(edges, weights, 4, None)
    torch.testing.assert_close(merged[0, 0, 4:8], torch.tensor([3.125, 3.375, 3.625, 3.875]))
    assert (merged.diff(dim=-1) >= 0).all()
    # No weight at all: evenly over the ray.
    empty = invert_cdf(edges, torch.zeros(1, 1, 10), quantiles(4, None, weights))
    torch.testing.assert_close(empty[0, 0], torch.tensor([1.25, 3.75, 6.25, 8.75]))


def test_section_weights_find_the_surface_and_ignore_rising_sdf():
    distances = torch.arange(11.0)[None, None]
    weights = section_weights(5.5 - distances, distances, sharpness_per_m=20.0)
    assert weights[0, 0].argmax().item() == 5
    assert 0.99 < weights.sum().item() <= 1 + 1e-5
    assert section_weights(distances - 5.5, distances, 20.0).max().item() == 0
    coincident = section_weights(torch.ones(1, 1, 3), torch.ones(1, 1, 3), 20.0)
    assert torch.isfinite(coincident).all()


@pytest.mark.parametrize("name", ["neus_sampler", "neus_sampler_2steps"])
def test_golden_sampler(golden, name):
    # In float64: rounding is then only that of the stored numbers, and every tensor is compared.
    file = golden(name)
    config = file.config
    steps = config["num_upsample_steps"]
    assert config["train_stratified"]
    assert config["single_jitter"]
    field = golden_field(file, config["field"]).double()
    unit = field.length_unit_m
    renderer = ImportedRenderer(
        field,
        num_samples=config["num_samples"],
        num_importance=config["num_samples_importance"],
        importance_steps=steps,
        importance_sharpness_per_m=64 / unit,
        sample_at="start",
        alpha_epsilon=1e-5,
    )
    t = {k: v.double() for k, v in file.tensors.items()}
    near, far = t["in.nears"].T * unit, t["in.fars"].T * unit
    rays = Rays(t["in.origins"][None] * unit, t["in.directions"][None], near, far, near < far)
    volume = t["in.feature_volume"][None]
    for mode in ("eval", "train"):
        jitter = None
        if mode == "train":
            jitter = [draw.double().T for draw in file.series("in.jitter")]
            assert len(jitter) == steps + 1
        draws = jitter or [None] * (steps + 1)
        posts = uniform_edges(near, far, config["num_samples"], draws[0])

        def points(distances):
            along = rays.directions[0, :, None] * distances[0, ..., None]
            return (rays.origins[0, :, None] + along) / unit

        file.check(f"out.{mode}.init_points", points(posts[..., :-1]))
        added = []
        for step in range(steps):
            weights = renderer.importance_weights(volume, rays, posts, step)
            if step == 0:
                file.check(f"out.{mode}.init_weights", weights[0, ..., None])
            count = config["num_samples_importance"] // steps
            shares = quantiles(count + 1, draws[step + 1], weights)[..., :count]
            added.append(invert_cdf(posts, weights, shares))
            posts = importance_edges(posts, weights, count, draws[step + 1], "start")
        file.check(f"out.{mode}.new_points", points(torch.cat(added, dim=-1)))
        edges = renderer.sample_edges(volume, rays, jitter)
        spacing = (edges[..., :-1] - near[..., None]) / (far - near)[..., None]
        file.check(f"out.{mode}.spacing_starts", spacing[0, ..., None])
        file.check(f"out.{mode}.starts", edges[0, :, :-1, None] / unit)
        file.check(f"out.{mode}.ends", edges[0, :, 1:, None] / unit)
        file.check(f"out.{mode}.deltas", edges[0].diff(dim=-1)[..., None] / unit)
