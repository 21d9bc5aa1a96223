import pytest
import torch

from mim4d.geometry.camera import (
    crop_intrinsics,
    project,
    resize_intrinsics,
    unproject,
)
from mim4d.geometry.lattices import cell_centres

INTRINSICS = torch.tensor([[100.0, 0, 80], [0, 110, 50], [0, 0, 1]])


def points_ahead(seed):
    return torch.randn(20, 3, generator=seed) * torch.tensor([3.0, 2, 1]) + torch.tensor(
        [0, 0, 9.0]
    )


def test_project_by_hand():
    points = torch.tensor([[0.0, 0, 5], [1, 0, 5], [0, -1, 10]])
    pixels, depth = project(INTRINSICS, points)
    assert depth.tolist() == [5, 5, 10]
    torch.testing.assert_close(pixels, torch.tensor([[80.0, 50], [100, 50], [80, 39]]))


def test_unproject_undoes_project(seed):
    intrinsics = INTRINSICS.repeat(2, 1, 1)
    intrinsics[1, 0, 1] = 2.5  # skew
    points = torch.stack([points_ahead(seed), points_ahead(seed)])
    pixels, depth = project(intrinsics, points)
    torch.testing.assert_close(unproject(intrinsics, pixels, depth), points, atol=1e-5, rtol=1e-5)


def test_points_at_or_behind_the_camera_stay_finite():
    points = torch.tensor([[1.0, 2, 0], [1, 2, -3], [0, 0, 0]], requires_grad=True)
    pixels, depth = project(INTRINSICS, points)
    assert pixels.isfinite().all()
    assert (depth <= 0).all()
    pixels.sum().backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


def test_resized_intrinsics_scale_the_pixel(seed):
    points = points_ahead(seed)
    pixels, _ = project(INTRINSICS, points)
    resized, _ = project(resize_intrinsics(INTRINSICS, 0.5, 0.25), points)
    torch.testing.assert_close(resized, pixels * torch.tensor([0.5, 0.25]))


@pytest.mark.parametrize(("left_px", "top_px"), [(12.0, 7.0), (-5.0, 0.0)])
def test_cropped_and_padded_intrinsics_shift_the_pixel(seed, left_px, top_px):
    points = points_ahead(seed)
    pixels, _ = project(INTRINSICS, points)
    cropped, _ = project(crop_intrinsics(INTRINSICS, left_px, top_px), points)
    torch.testing.assert_close(
        cropped, pixels - torch.tensor([left_px, top_px]), atol=1e-4, rtol=1e-5
    )


def test_inputs_are_not_changed():
    before = INTRINSICS.clone()
    resize_intrinsics(INTRINSICS, 2.0, 2.0)
    crop_intrinsics(INTRINSICS, 3.0, 3.0)
    assert torch.equal(before, INTRINSICS)


def test_halving_an_image_merges_the_centres_of_four_pixels():
    corner = cell_centres((2, 2)).reshape(-1, 2).mean(dim=0)
    ray = unproject(INTRINSICS, corner[None], torch.ones(1))
    half, _ = project(resize_intrinsics(INTRINSICS, 0.5, 0.5), ray)
    torch.testing.assert_close(half[0], cell_centres((1, 1))[0, 0], atol=1e-5, rtol=0)


def test_projection_keeps_its_precision_under_autocast(seed):
    points = points_ahead(seed)
    expected, _ = project(INTRINSICS, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pixels, depth = project(INTRINSICS, points)
        assert torch.equal(pixels, expected)
        torch.testing.assert_close(unproject(INTRINSICS, pixels, depth), points)
