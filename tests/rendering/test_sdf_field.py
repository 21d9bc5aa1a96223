import re

import pytest
import torch

from mim4d.geometry.rigid import transform_points
from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.rendering.decoders import _softplus
from mim4d.rendering.neus import alpha_from_sdf
from mim4d.rendering.sdf_field import SdfField
from mim4d.rendering.volume_lookup import lookup
from tests.reference.rendering import field_by_double_backward
from tests.rendering.golden_field import check_gradients, golden_field

GRID = VoxelGrid((-8.0, -8.0, -2.0), (8.0, 8.0, 4.0), (8, 8, 4))


def make_inputs(seed, dtype=torch.float32, b=2):
    volume = torch.randn(b, 5, 4, 8, 8, generator=seed, dtype=dtype)
    points = torch.rand(b, 3, 7, 3, generator=seed, dtype=dtype) * 18 - 9
    directions = torch.nn.functional.normalize(
        torch.randn(b, 3, 3, generator=seed, dtype=dtype), dim=-1
    )
    return volume, points, directions


@pytest.mark.parametrize(("start", "colour_only"), [("network", 0), ("ground", 0), ("ground", 2)])
def test_values_and_gradients_equal_double_backward(seed, start, colour_only):
    torch.manual_seed(0)
    field = SdfField(
        GRID,
        5,
        colour_only=colour_only,
        hidden=8,
        geometry_features=4,
        length_unit_m=8.0,
        sdf_start=start,
    ).double()
    volume, points, directions = make_inputs(seed, torch.float64)
    cotangents = None
    results = []
    for function in (field, lambda *a: field_by_double_backward(field, *a)):
        field.zero_grad()
        leaf = volume.clone().requires_grad_()
        out = function(leaf, points, directions)
        values = (out.sdf, out.sdf_gradient, out.colours)
        cotangents = cotangents or [torch.randn_like(v) for v in values]
        products = [(v * c).sum() for v, c in zip(values, cotangents, strict=True)]
        sum(products, torch.zeros(())).backward()
        decoders = [field.sdf_decoder, field.colour_decoder]
        grads = []
        for parameter in (p for d in decoders for p in d.parameters()):
            assert parameter.grad is not None
            grads.append(parameter.grad.clone())
        results.append([*values, leaf.grad, *grads])
    for ours, twin in zip(*results, strict=True):
        # to_unit passes through a float32 matrix in both; float64 elsewhere
        torch.testing.assert_close(ours, twin, rtol=1e-6, atol=1e-7)


def test_sdf_path_agrees_and_gradient_is_a_difference_quotient(seed):
    torch.manual_seed(1)
    field = SdfField(GRID, 5, length_unit_m=8.0).double()
    volume, points, directions = make_inputs(seed, torch.float64)
    out = field(volume, points, directions)
    torch.testing.assert_close(field.sdf(volume, points), out.sdf)
    step = 1e-6
    for axis in range(3):
        shift = torch.zeros(3, dtype=torch.float64)
        shift[axis] = step
        quotient = field.sdf(volume, points + shift) - field.sdf(volume, points - shift)
        torch.testing.assert_close(
            quotient / (2 * step), out.sdf_gradient[..., axis], rtol=1e-4, atol=1e-5
        )


def test_channels_for_colours_alone_change_no_shape(seed):
    field = SdfField(GRID, 5, colour_only=2, length_unit_m=8.0)
    volume, points, directions = make_inputs(seed)
    changed = volume.clone()
    changed[:, 3:] += 1
    before, after = (field(each, points, directions) for each in (volume, changed))
    assert torch.equal(before.sdf, after.sdf)
    assert torch.equal(before.sdf_gradient, after.sdf_gradient)
    assert torch.equal(field.sdf(volume, points), field.sdf(changed, points))
    assert (before.colours - after.colours).abs().max() > 1e-3


def test_ground_start_is_height_above_the_road(seed):
    torch.manual_seed(0)
    volume, points, directions = make_inputs(seed)
    out = SdfField(GRID, 5, length_unit_m=8.0, sdf_start="ground")(volume, points, directions)
    assert (out.sdf - points[..., 2]).abs().max() < 0.2
    assert (out.sdf_gradient - torch.tensor([0.0, 0.0, 1.0])).abs().max() < 0.2


def test_every_parameter_learns_and_half_precision_volume_is_accepted(seed):
    field = SdfField(GRID, 5)
    volume, points, directions = make_inputs(seed)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = field(volume.bfloat16(), points, directions)
    assert out.sdf.dtype == torch.float32
    (out.colours.sum() + out.sdf.sum() + field.sharpness).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in field.parameters())


def test_sharpness_starts_as_asked():
    assert SdfField(GRID, 5, sharpness_start_per_m=0.39).sharpness.item() == pytest.approx(0.39)


def test_softplus_with_slope():
    z = torch.linspace(-0.2, 0.2, 41, dtype=torch.float64, requires_grad=True)
    value, slope = _softplus(z)
    torch.testing.assert_close(value, torch.nn.functional.softplus(z, beta=100))
    torch.testing.assert_close(slope, torch.sigmoid(100 * z))
    assert torch.autograd.gradcheck(_softplus, z, eps=1e-7, atol=1e-4)
    extreme = torch.tensor([-1e6, -1.0, 1.0, 1e6], requires_grad=True)
    value, slope = _softplus(extreme)
    (value.sum() + slope.sum()).backward()
    torch.testing.assert_close(value, torch.tensor([0.0, 0.0, 1.0, 1e6]))
    torch.testing.assert_close(extreme.grad, torch.tensor([0.0, 0.0, 1.0, 1.0]))


def test_golden_field(golden):
    file = golden("neus_field")
    config = file.config
    field = golden_field(file, config)
    unit = field.length_unit_m
    t = file.tensors
    volume = t["in.feature_volume"][None].requires_grad_()
    origins, directions = t["in.origins"][None] * unit, t["in.directions"][None]
    starts, ends = (t[f"in.{k}"][None, ..., 0] * unit for k in ("starts", "ends"))
    points = origins[:, :, None] + directions[:, :, None] * starts[..., None]
    out = field(volume, points, directions)
    file.check("out.points", points[0] / unit)
    features = lookup(volume, points.flatten(1, 2), field.grid)
    file.check("out.point_features", features[0].unflatten(0, points.shape[1:3]))
    outputs = field.sdf_decoder(points.flatten(0, 2) / unit, features.flatten(0, 1))
    file.check("out.geo_features", outputs[:, 1:].unflatten(0, points.shape[1:3]))
    file.check("out.sdf", out.sdf[0, ..., None] / unit)
    file.check("out.gradients", out.sdf_gradient[0])
    file.check("out.rgb", out.colours[0])
    file.check("out.inv_s", field.sharpness[None] * unit)

    def alphas(cos_anneal):
        samples = (out.sdf, out.sdf_gradient, directions, ends - starts, field.sharpness)
        return alpha_from_sdf(*samples, cos_anneal=cos_anneal, epsilon=1e-5)

    for name in file.part("out"):
        if match := re.fullmatch(r"alphas_cos_anneal_(\d+)p(\d+)", name):
            file.check(f"out.{name}", alphas(float(f"{match[1]}.{match[2]}"))[0, ..., None])
    alpha = alphas(config["cos_anneal_ratio"])
    file.check("out.alphas", alpha[0, ..., None])
    eikonal = (out.sdf_gradient.norm(dim=-1) - 1).square().mean()

    file.check("out.eikonal", eikonal)
    loss = (out.colours[0] * t["in.cot_rgb"]).sum() + (alpha[0] * t["in.cot_alpha"][..., 0]).sum()
    (loss + eikonal).backward()
    file.check("out.loss", loss + eikonal)
    check_gradients(file, field, "out.grad.weights")
    file.check("out.grad.in.feature_volume", volume.grad[0])


def test_a_turned_grid_is_the_same_field_in_its_own_axes(seed):
    """Points, directions and gradients reach the decoders along the axes of the volume."""
    pose = box_pose((0.5, -0.3, 1.2), (3.0, -5.0, -70.0))
    turned_grid = VoxelGrid(GRID.lower_m, GRID.upper_m, GRID.shape_xyz, pose)
    field = SdfField(GRID, 5, sdf_start="network")
    turned = SdfField(turned_grid, 5, sdf_start="network")
    turned.load_state_dict(field.state_dict())
    volume, points_box, directions_box = make_inputs(seed)
    ego_from_box = torch.tensor(pose)
    points = transform_points(ego_from_box, points_box.flatten(0, 2)).view_as(points_box)
    directions = directions_box @ ego_from_box[:3, :3].T
    expected, actual = (
        field(volume, points_box, directions_box),
        turned(volume, points, directions),
    )
    torch.testing.assert_close(turned.sdf(volume, points), actual.sdf, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(actual.sdf, expected.sdf, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(actual.colours, expected.colours, atol=1e-4, rtol=1e-4)
    along_ego = expected.sdf_gradient @ ego_from_box[:3, :3].T
    torch.testing.assert_close(actual.sdf_gradient, along_ego, atol=1e-3, rtol=1e-3)
