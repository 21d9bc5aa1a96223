"""What every lifting promises, and where the two agree."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.depth_head import DepthBins
from mim4d.models.lifting import lookup, splat
from mim4d.models.lifting.lifting import LiftGeometry, Lifting, Normalise
from mim4d.models.lifting.lookup import lift_by_lookup
from mim4d.models.lifting.splat import lift_by_splat
from tests.models.lifting.lift_cases import random_maps, rig

both = pytest.mark.parametrize("lifting", [lift_by_lookup, lift_by_splat])


def pick(geometry: LiftGeometry, index: object) -> LiftGeometry:
    """Some frames, or some cameras of all frames."""
    names = ("ego_from_camera", "intrinsics", "image_sizes")
    return replace(geometry, **{name: getattr(geometry, name)[index] for name in names})


@both
@pytest.mark.parametrize(("frames", "cameras", "channels"), [(1, 1, 1), (3, 2, 4), (2, 7, 2)])
def test_any_number_of_frames_cameras_channels_and_levels(
    lifting: Lifting, frames: int, cameras: int, channels: int, seed: torch.Generator
) -> None:
    geometry = rig(frames, cameras)
    levels = [random_maps(geometry, seed, channels, cells) for cells in ((6, 8), (3, 4), (1, 1))]
    features, depth_probs = zip(*levels, strict=True)
    volume = lifting(list(features), list(depth_probs), geometry)
    assert volume.shape == (frames, channels, 3, 8, 8)
    assert volume.flatten(1).any(dim=1).all()
    # Levels are added up.
    alone = [lifting([f], [p], geometry) for f, p in levels]
    torch.testing.assert_close(volume, alone[0] + alone[1] + alone[2])


@both
@pytest.mark.parametrize("normalise", ["sum", "mean"])
def test_order_of_cameras_does_not_matter(
    lifting: Lifting, normalise: Normalise, seed: torch.Generator
) -> None:
    geometry = rig(2, 5)
    features, probs = random_maps(geometry, seed)
    order = torch.tensor([3, 0, 4, 1, 2])
    volume = lifting([features], [probs], geometry, normalise)
    permuted = lifting(
        [features[:, order]], [probs[:, order]], pick(geometry, (slice(None), order)), normalise
    )
    torch.testing.assert_close(permuted, volume, atol=1e-6, rtol=1e-6)


@both
def test_two_frames_are_two_times_one(lifting: Lifting, seed: torch.Generator) -> None:
    geometry = rig(2, 4)
    features, probs = random_maps(geometry, seed)
    together = lifting([features], [probs], geometry, "mean")
    for k in (slice(0, 1), slice(1, 2)):
        alone = lifting([features[k]], [probs[k]], pick(geometry, k), "mean")
        assert torch.equal(together[k], alone)


@both
@pytest.mark.parametrize("normalise", ["sum", "mean"])
def test_without_counting_all_pairs_are_worked_on_to_the_same_values(
    lifting: Lifting,
    normalise: Normalise,
    seed: torch.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on an accelerator, where shapes must not follow from what a camera sees."""
    geometry = rig(2, 5)
    maps = [tensor.requires_grad_() for tensor in random_maps(geometry, seed)]
    results = []
    for counts in (True, False):
        for room in (lookup, splat):
            monkeypatch.setattr(room, "can_count", lambda _, counts=counts: counts)
        volume = lifting([maps[0]], [maps[1]], geometry, normalise)
        results.append((volume, *torch.autograd.grad(volume.square().sum(), maps)))
    assert torch.equal(results[0][0], results[1][0])
    for counted, uncounted in zip(*results, strict=True):
        torch.testing.assert_close(uncounted, counted, rtol=1e-6, atol=1e-6)


@both
def test_gradients(lifting: Lifting, seed: torch.Generator) -> None:
    grid = VoxelGrid((-8.0, -8.0, -1.0), (8.0, 8.0, 3.0), (3, 3, 1))
    geometry = rig(1, 2, bins=DepthBins(3, 2.0, 8.0), grid=grid)
    features, probs = random_maps(geometry, seed, 2, (2, 3), torch.float64)
    leaves = (features.requires_grad_(), probs.requires_grad_())

    def run(features: Tensor, probs: Tensor) -> Tensor:
        return lifting([features], [probs], geometry, "mean")

    assert run(*leaves).abs().sum() > 0
    assert torch.autograd.gradcheck(run, leaves)


@both
@pytest.mark.parametrize("normalise", ["sum", "mean"])
def test_cameras_that_see_nothing_of_the_grid_say_nothing(
    lifting: Lifting, normalise: Normalise, seed: torch.Generator
) -> None:
    geometry = rig(1, 2)
    features, probs = random_maps(geometry, seed)
    far = VoxelGrid((500.0, 500.0, 500.0), (516.0, 516.0, 504.0), (4, 4, 2))
    features.requires_grad_()
    probs = probs.clone().requires_grad_()
    volume = lifting([features], [probs], replace(geometry, grid=far), normalise)
    assert volume.shape == (1, 3, 2, 4, 4)
    assert not volume.any()
    volume.square().sum().backward()
    for leaf in (features, probs):
        assert leaf.grad is not None
        assert not leaf.grad.any()


@both
def test_padding_and_absent_images_say_nothing(lifting: Lifting, seed: torch.Generator) -> None:
    geometry = rig(1, 3)
    sizes = geometry.image_sizes * torch.tensor([1, 0, 1])[:, None]
    # An absent image may hold zeros.
    present = (sizes[..., :1, None] > 0).float()
    absent = replace(
        geometry,
        image_sizes=sizes,
        intrinsics=geometry.intrinsics * present,
        ego_from_camera=geometry.ego_from_camera * present,
    )
    features, probs = random_maps(geometry, seed, cells=(6, 8))
    features.requires_grad_()
    volume = lifting([features], [probs], absent, "mean")
    two = torch.tensor([0, 2])
    without = lifting(
        [features[:, two]], [probs[:, two]], pick(geometry, (slice(None), two)), "mean"
    )
    assert volume.isfinite().all()
    torch.testing.assert_close(volume, without)
    volume.square().sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert not features.grad[:, 1].any()
    # Of 24 rows 20 are picture: the last row of six cells is padding. The lookup blends with it
    # only within half a cell of the border.
    if lifting is lift_by_splat:
        assert not features.grad[..., 5, :].any()
    assert features.grad[..., 4, :].any()


@both
def test_autocast_does_not_touch_coordinates(lifting: Lifting, seed: torch.Generator) -> None:
    # A large image: half precision would overflow at u·depth.
    geometry = rig(1, 6, (928, 1600), DepthBins(20, 1.0, 9.0))
    features, probs = random_maps(geometry, seed, cells=(29, 50))
    expected = lifting([features], [probs], geometry)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(lifting([features], [probs], geometry), expected)


def test_a_finer_splat_tends_to_the_lookup() -> None:
    """Smooth maps: the mean over many points of a voxel is the value at its centre."""
    geometry = rig(1, 4, (96, 128), DepthBins(81, 1.0, 9.0))
    geometry = replace(geometry, image_sizes=torch.tensor([96, 128]).expand(1, 4, 2))
    rows, columns = (torch.linspace(0, 1, k) for k in (48, 64))
    features = torch.stack([1 + rows[:, None] + 0 * columns, 2 - columns + 0 * rows[:, None]])
    features = features.expand(1, 4, 2, 48, 64)
    probs = torch.linspace(0.5, 1.5, 81)[None, None, :, None, None].expand(1, 4, -1, 48, 64) / 81
    looked_up = lift_by_lookup([features], [probs], geometry, "mean")
    splatted = lift_by_splat([features], [probs], geometry, "mean")
    # Voxels whose whole surroundings one camera sees: in front of each camera, not at a border.
    z, y, x = [1] * 4, [3, 3, 6, 1], [6, 1, 3, 3]
    ratio = splatted[0, :, z, y, x] / looked_up[0, :, z, y, x]
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=0.05, rtol=0)


def test_one_cell_at_one_depth_lands_where_the_lookup_puts_it() -> None:
    grid = VoxelGrid((0.0, -8.0, -8.0), (16.0, 8.0, 8.0), (16, 16, 16))
    geometry = rig(1, 1, (32, 32), DepthBins(16, 0.5, 15.5), grid)
    geometry = replace(geometry, image_sizes=torch.tensor([[[32, 32]]]))
    for row, column, k in [(3, 5, 9), (5, 2, 12), (4, 4, 6)]:
        features, probs = torch.zeros(1, 1, 1, 8, 8), torch.zeros(1, 1, 16, 8, 8)
        features[..., row, column] = 1
        probs[:, :, k, row, column] = 1
        splatted = lift_by_splat([features], [probs], geometry)
        looked_up = lift_by_lookup([features], [probs], geometry)
        assert splatted.count_nonzero() == 1
        assert splatted.max() == 1
        # The cell's pyramid at that depth covers some voxels; the point's own is among the fullest.
        assert looked_up[splatted > 0] > 0.5 * looked_up.max()
