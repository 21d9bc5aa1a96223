import dataclasses

import pytest
import torch
from torch import nn

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining import losses
from mim4d.rendering.background import Background
from mim4d.rendering.compositing import render_distance_normalised
from mim4d.rendering.imported import ImportedRenderer
from mim4d.rendering.rays import Rays, make_rays
from mim4d.rendering.renderer import NeusRenderer, render_chunked
from mim4d.rendering.sdf_field import FieldSamples, SdfField
from mim4d.study.bench.twins.render import render as plain_render
from tests.rendering.golden_field import check_gradients, golden_field, grids

GRID = VoxelGrid((-10.0, -10.0, -5.0), (10.0, 10.0, 5.0), (8, 8, 4))


class SphereField(SdfField):
    """A sphere of radius 3 m at (6, 0, 0), painted by its normal, very sharp."""

    def sdf(self, volume, points_ego, chunk_rays=None):
        return (points_ego - points_ego.new_tensor([6.0, 0.0, 0.0])).norm(dim=-1) - 3

    def forward(self, volume, points_ego, directions, chunk_rays=None):
        offset = points_ego - points_ego.new_tensor([6.0, 0.0, 0.0])
        normal = nn.functional.normalize(offset, dim=-1)
        return FieldSamples(self.sdf(volume, points_ego), normal, normal / 2 + 0.5)


def random_rays(seed, b=2, r=12, bounds=GRID) -> Rays:
    origins = torch.randn(b, r, 3, generator=seed)
    directions = nn.functional.normalize(torch.randn(b, r, 3, generator=seed), dim=-1)
    return make_rays(origins, directions, torch.ones(b, r, dtype=torch.bool), bounds, 0.5)


def test_sphere_renders_its_distance():
    field = SphereField(GRID, 1, sharpness_start_per_m=200.0)
    renderer = NeusRenderer(
        field, num_samples=64, num_importance=64, importance_steps=2, importance_sharpness_per_m=8.0
    )
    directions = torch.tensor([[[1.0, 0, 0], [1.0, 0.3, 0.1], [-1.0, 0, 0], [0, 0, 1.0]]])
    directions = nn.functional.normalize(directions, dim=-1)
    exists = torch.ones(1, 4, dtype=torch.bool)
    rays = make_rays(torch.zeros(1, 4, 3), directions, exists, GRID, 0.5)
    out = renderer(torch.zeros(1, 1, 4, 8, 8), rays)
    centre = torch.tensor([6.0, 0, 0])
    along = (directions[0, 1] * centre).sum()
    hit = along - (along**2 - 36 + 9).sqrt()
    # Two misses see the exit: 10 m behind, 5 m above. Tolerance: a fine section is some 3 cm.
    expected = torch.tensor([[3.0, hit.item(), 10.0, 5.0]])
    torch.testing.assert_close(out.distances, expected, atol=0.03, rtol=0)
    torch.testing.assert_close(out.opacity, torch.tensor([[1.0, 1.0, 0.0, 0.0]]), atol=1e-3, rtol=0)
    # Seen face on, the normal is −x.
    torch.testing.assert_close(out.colours[0, 0], torch.tensor([0.0, 0.5, 0.5]), atol=0.02, rtol=0)


def test_the_background_shows_through_what_stops_nothing():
    """Its colour where a ray misses, the sphere's where it hits; and it teaches the volume."""
    torch.manual_seed(0)
    field = SphereField(GRID, 4, sharpness_start_per_m=200.0)
    renderer = NeusRenderer(field, num_samples=64, background=Background(GRID, 4))
    directions = torch.tensor([[[1.0, 0, 0], [-1.0, 0, 0], [0, 0, 1.0]]])
    rays = make_rays(torch.zeros(1, 3, 3), directions, torch.ones(1, 3).bool(), GRID, 0.5)
    volume = torch.randn(1, 4, 4, 8, 8, requires_grad=True)
    out = renderer(volume, rays)
    assert renderer.background is not None
    sky = renderer.background(volume, rays)
    torch.testing.assert_close(out.colours[0, 1:], sky[0, 1:], atol=1e-3, rtol=0)
    torch.testing.assert_close(out.colours[0, 0], torch.tensor([0.0, 0.5, 0.5]), atol=0.02, rtol=0)
    assert (sky[0, 1] - sky[0, 2]).abs().max() > 1e-3
    (gradient,) = torch.autograd.grad(out.colours[0, 1].sum(), volume)
    assert (gradient != 0).all()  # through the mean; most at the exit, 10 m behind
    assert gradient.abs().sum(dim=(1, 2))[0].argmax() % 8 == 0


def test_ground_start_renders_the_road():
    """With the network silenced, rays that look down end at z = 0."""
    field = SdfField(GRID, 4, sdf_start="ground", sharpness_start_per_m=100.0)
    nn.init.zeros_(field.sdf_decoder.linear_layers()[-1].weight)
    nn.init.zeros_(field.sdf_decoder.linear_layers()[-1].bias)
    renderer = NeusRenderer(field, num_samples=64, num_importance=64, importance_steps=2)
    directions = nn.functional.normalize(torch.tensor([[[1.0, 0, -0.5], [0, 1.0, -1.0]]]), dim=-1)
    origins = torch.tensor([[[0.0, 0.0, 1.5]] * 2])
    rays = make_rays(origins, directions, torch.ones(1, 2, dtype=torch.bool), GRID, 0.2)
    out = renderer(torch.randn(1, 4, 4, 8, 8), rays)
    torch.testing.assert_close(out.distances, -1.5 / directions[..., 2], atol=0.02, rtol=0)


@pytest.fixture
def renderer():
    torch.manual_seed(0)
    field = SdfField(GRID, 4, length_unit_m=10.0, sharpness_start_per_m=2.0)
    return NeusRenderer(field, num_samples=16, num_importance=8, importance_steps=2)


@pytest.fixture
def volume(seed):
    return torch.randn(2, 4, 4, 8, 8, generator=seed)


def assert_same(a, b) -> None:
    for field in dataclasses.fields(a):
        torch.testing.assert_close(getattr(a, field.name), getattr(b, field.name))


def part(rendering_or_rays, index):
    cls = type(rendering_or_rays)
    names = [f.name for f in dataclasses.fields(cls)]
    return cls(**{name: getattr(rendering_or_rays, name)[index] for name in names})


def test_batch_order_and_chunks_change_nothing(seed, renderer, volume):
    rays = random_rays(seed)
    whole = renderer(volume, rays)
    for b in range(2):
        one = slice(b, b + 1)
        assert_same(renderer(volume[one], part(rays, one)), part(whole, one))
    order = torch.randperm(12, generator=seed)
    permuted = (slice(None), order)
    assert_same(renderer(volume, part(rays, permuted)), part(whole, permuted))
    assert_same(render_chunked(renderer, volume, rays, chunk=5), whole)
    assert whole.opacity.max() <= 1 + 1e-5
    assert (whole.sample_distances.diff(dim=-1) >= 0).all()


def test_jitter_is_data(seed, renderer, volume):
    rays = random_rays(seed)
    draws = [renderer.draw_jitter(rays, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert len(draws[0]) == 3
    first, second = (renderer(volume, rays, jitter) for jitter in draws)
    assert_same(first, second)
    assert (first.sample_distances != renderer(volume, rays).sample_distances).any()


def test_invalid_rays_are_finite_zeros(seed, renderer, volume):
    rays = random_rays(seed)
    valid = rays.valid.clone()
    valid[:, ::2] = False
    away = torch.where(valid[..., None], rays.origins, torch.tensor(1e6))
    broken = dataclasses.replace(rays, origins=away, valid=valid)
    volume.requires_grad_()
    out = renderer(volume, broken)
    for field in dataclasses.fields(out):
        assert not getattr(out, field.name)[:, ::2].any(), field.name
    (out.distances.sum() + out.colours.sum() + out.sdf_gradient.square().sum()).backward()
    assert torch.isfinite(volume.grad).all()
    assert volume.grad.abs().sum() > 0


def test_uneven_importance_is_refused():
    with pytest.raises(ValueError, match="cannot be split"):
        NeusRenderer(SdfField(GRID, 4), num_importance=7, importance_steps=2)


def golden_renderer(file):
    config = file.config
    shared = {k: config[k] for k in ("pc_range", "voxel_shape", "scale_factor")}
    field = golden_field(file, config["field_cfg"] | shared, "weights.field")
    sampler = config["sampler_cfg"]
    renderer = ImportedRenderer(
        field,
        num_samples=sampler["num_samples"],
        num_importance=sampler["num_samples_importance"],
        importance_steps=sampler["num_upsample_steps"],
        importance_sharpness_per_m=64 / field.length_unit_m,
        sample_at="start",
        alpha_epsilon=1e-5,
    )
    return renderer, config, grids(shared)[1]


def golden_losses(out, distances, t, renderer, config) -> dict:
    """The released losses in its scaled units, without their weights."""
    unit = renderer.field.length_unit_m
    target = t["in.depth"].T * unit
    measured = target > 0
    everything = torch.ones_like(measured)
    truncation_m = config["loss_cfg"]["sensor_depth_truncation"]
    along = (out.sdf, out.sample_distances, target, measured, truncation_m)
    return {
        "rgb_loss": losses.colour_l1(out.colours, t["in.rgb"][None], everything),
        "depth_loss": losses.distance_l1(distances, target, measured) / unit,
        "eikonal_loss": losses.eikonal(out.sdf_gradient, everything),
        "free_space_loss": losses.free_space(*along) / unit,
        "sdf_loss": losses.near_surface_sdf(*along) / unit,
    }


def golden_points_loss(file, renderer, volume, t) -> torch.Tensor:
    """The released loss of LiDAR points in its scaled units; their distances are compared, too."""
    unit = renderer.field.length_unit_m
    points_sdf = renderer.field.sdf(volume, t["in.scaled_points"][None, None] * unit)
    file.check("out.train.sparse_points_sdf", points_sdf[0, 0, :, None] / unit)
    return points_sdf.abs().mean() / unit  # ours has no such loss


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_golden_model(golden, mode):
    file = golden("neus_model")
    renderer, config, bounds = golden_renderer(file)
    renderer = renderer.double()
    unit = renderer.field.length_unit_m
    t = {k: v.double() for k, v in file.tensors.items()}
    near_min_m = config["collider_cfg"]["near_plane"]
    directions = t["in.directions"][None]
    exists = torch.ones(directions.shape[:2], dtype=torch.bool)
    rays = make_rays(t["in.origins"][None] * unit, directions, exists, bounds, near_min_m)
    # The released slab test adds 1e-6 to the direction; near and far are compared at 1e-4 ...
    file.check(f"out.{mode}.nears", rays.near.T / unit)
    file.check(f"out.{mode}.fars", rays.far.T / unit)
    # ... and then taken over.
    near, far = (t[f"out.{mode}.{k}"].T * unit for k in ("nears", "fars"))
    rays = dataclasses.replace(rays, near=near, far=far)
    volume = t["in.feature_volume"][None].requires_grad_()
    draws = [draw.double().T for draw in file.series("in.jitter")]
    out = renderer(volume, rays, draws if mode == "train" else None)
    distances = render_distance_normalised(out.weights, out.sample_distances)
    file.check(f"out.{mode}.z_vals", out.sample_distances[0, ..., None] / unit)
    file.check(f"out.{mode}.sdf", out.sdf[0, ..., None] / unit)
    file.check(f"out.{mode}.gradients", out.sdf_gradient[0])
    file.check(f"out.{mode}.weights", out.weights[0, ..., None])
    file.check(f"out.{mode}.rgb", out.colours[0])
    file.check(f"out.{mode}.depth", distances.T / unit)
    if mode == "eval":
        return
    terms = golden_losses(out, distances, t, renderer, config)
    if config["loss_cfg"]["sparse_points_sdf_supervised"]:
        terms["sparse_points_sdf_loss"] = golden_points_loss(file, renderer, volume, t)
    weights = config["loss_cfg"]["weights"]
    assert set(file.part("out.train.loss")) == {*weights, "total"}
    total = torch.zeros((), dtype=torch.float64)
    for name, weight in weights.items():
        total = total + weight * terms[name]
        file.check(f"out.train.loss.{name}", weight * terms[name])
    file.check("out.train.loss.total", total)
    total.backward()
    check_gradients(file, renderer.field, "out.train.grad.weights.field")
    file.check("out.train.grad.in.feature_volume", volume.grad[0])


@pytest.mark.parametrize("chunk_rays", [1, 10, 1000])
def test_rendering_in_chunks_changes_no_value_and_no_gradient(seed, renderer, volume, chunk_rays):
    rays = random_rays(seed)
    jitter = renderer.draw_jitter(rays, seed)
    volume.requires_grad_()
    leaves = [volume, *renderer.field.parameters()]

    def run():
        out = renderer(volume, rays, jitter)
        loss = out.distances.sum() + out.colours.square().sum() + out.sdf_gradient.square().sum()
        return out, torch.autograd.grad(loss, leaves)

    whole, expected = run()
    renderer.chunk_rays = chunk_rays
    state = torch.get_rng_state()
    parts, gradients = run()
    assert torch.equal(torch.get_rng_state(), state)
    assert_same(parts, whole)
    for gradient, other in zip(gradients, expected, strict=True):
        # The chunks' shares are added in another order.
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4 * other.abs().max().item())


def test_chunks_keep_little_for_the_gradient(seed, renderer, volume):
    rays = random_rays(seed, r=256)
    volume.requires_grad_()

    def kept_bytes():
        kept = []

        def keep(t):
            kept.append(t.numel() * t.element_size())
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            renderer(volume, rays)
        return sum(kept)

    whole = kept_bytes()
    renderer.chunk_rays = 128
    # What the compositing keeps, some twenty numbers a sample, is left.
    assert kept_bytes() < 0.1 * whole


def test_log_spacing_and_background_equal_their_plain_twin(volume, seed):
    """Colour and distance, and their gradient in the volume, by autograd through plain torch."""
    torch.manual_seed(1)
    field = SdfField(GRID, 4, length_unit_m=10.0, sharpness_start_per_m=2.0)
    renderer = NeusRenderer(
        field, num_samples=12, num_importance=6, spacing="log", background=Background(GRID, 4)
    )
    rays = random_rays(seed)
    jitter = renderer.draw_jitter(rays, seed)
    found = []
    for render in (renderer, lambda *inputs: plain_render(renderer, *inputs)):
        given = volume.clone().requires_grad_()
        out = render(given, rays, jitter)
        weights = torch.linspace(0.5, 1.5, out.distances.numel()).view_as(out.distances)
        total = (out.colours.sum(dim=-1) * weights).sum() + (out.distances * weights).sum()
        found.append([out.colours, out.distances, torch.autograd.grad(total, given)[0]])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=2e-3, atol=2e-4)
