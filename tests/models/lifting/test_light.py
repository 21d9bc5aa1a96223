"""Light along rays: against the liftings' own slow twin, a wall, and what no camera sees."""

import pytest
import torch

from mim4d.models.lifting import light, lookup
from mim4d.models.lifting.light import LIGHT_CHANNELS, lift_light, light_at
from mim4d.models.lifting.lookup import project_voxels
from tests.models.lifting import lift_cases
from tests.models.lifting.test_lookup import BINS, PADDED_HW, POINTS, maps, rig
from tests.reference.lift import lift_loops

CENTRES = torch.linspace(*BINS[:2], BINS[2])


@pytest.mark.parametrize("num_cameras", [2, 6])
def test_equals_loops_where_cells_surround_a_voxel(num_cameras, seed):
    poses, intrinsics, sizes = rig(2, num_cameras)
    _, probs = maps(2, num_cameras, seed)
    found = light_at(probs, project_voxels(POINTS, poses, intrinsics, sizes, PADDED_HW, *BINS))
    ones = torch.ones(2, num_cameras, 1, *probs.shape[-2:])

    def looked_up(table):
        total, count = lift_loops(ones, table, POINTS, poses, intrinsics, sizes, PADDED_HW, CENTRES)
        return total.squeeze(1) / count.clamp(min=1)

    before = torch.stack([probs[:, :, :k].sum(dim=2) + probs[:, :, k] / 2 for k in range(BINS[2])])
    before = before.movedim(0, 2)
    surrounded = looked_up(torch.ones_like(probs)) > 1 - 1e-6
    assert surrounded.float().mean() > 0.05
    for channel, table in enumerate((probs, 1 - before, before)):
        expected = looked_up(table)[surrounded]
        torch.testing.assert_close(found[:, channel][surrounded], expected, atol=1e-5, rtol=1e-5)


def test_a_wall_passes_light_before_it_and_hides_what_is_behind():
    geometry = lift_cases.rig(1, 1, PADDED_HW)
    camera_from_ego, intrinsics, sizes = rig(1, 1)
    probs = torch.zeros(1, 1, BINS[2], 3, 4)
    probs[:, :, 2] = 1  # at 5 m
    depths = torch.tensor([1.5, 3.0, 4.9, 5.1, 7.0, 8.5])
    centre = torch.tensor([[PADDED_HW[1] / 2, PADDED_HW[0] / 2]]).expand(len(depths), -1)
    points_camera = lookup_points(intrinsics[0, 0], centre, depths)
    points = (geometry.ego_from_camera[0, 0] @ points_camera.T).T[:, :3]
    at = project_voxels(points, camera_from_ego, intrinsics, sizes, PADDED_HW, *BINS)
    ends, passes, ended = light_at(probs, at)[0]
    assert passes[:2].min() > 0.99
    assert ended[-2:].min() > 0.99
    assert passes[2] > 0.5 > passes[3]
    assert ends.argmax() in (2, 3)
    assert ends[[0, -1]].max() == 0
    torch.testing.assert_close(passes + ended, torch.ones(len(depths)))


def lookup_points(intrinsics, pixels, depths):
    """Homogeneous points in the camera."""
    ones = torch.ones(len(pixels), 1)
    rays = torch.cat([pixels, ones], dim=1) @ torch.linalg.inv(intrinsics).T
    return torch.cat([rays * depths.unsqueeze(1), ones], dim=1)


def test_says_nothing_where_no_camera_looks_or_an_image_is_absent(seed):
    camera_from_ego, intrinsics, sizes = rig(1, 2)
    _, probs = maps(1, 2, seed)
    at = project_voxels(POINTS, camera_from_ego, intrinsics, sizes, PADDED_HW, *BINS)
    found = light_at(probs, at)
    unseen = ~at.visible.any(dim=1)
    assert unseen.any()
    assert found.movedim(1, -1)[unseen].abs().max() == 0
    absent = project_voxels(POINTS, camera_from_ego, intrinsics, sizes * 0, PADDED_HW, *BINS)
    assert light_at(probs, absent).abs().max() == 0


def test_two_frames_are_each_by_themselves_and_shapes_need_no_counting(seed, monkeypatch):
    geometry = lift_cases.rig(2, 3, PADDED_HW)
    probs = torch.randn(2, 3, geometry.bins.num, 3, 4, generator=seed).softmax(dim=2)
    both = lift_light(probs, geometry)
    assert both.shape == (2, LIGHT_CHANNELS, *geometry.grid.shape_zyx)
    monkeypatch.setattr(lookup, "can_count", lambda _: False)
    torch.testing.assert_close(light.lift_light(probs, geometry), both)


def test_gradients_reach_the_distributions(seed):
    camera_from_ego, intrinsics, sizes = rig(1, 2)
    _, probs = maps(1, 2, seed)
    probs = probs.double().requires_grad_()
    at = project_voxels(POINTS[::7], camera_from_ego, intrinsics, sizes, PADDED_HW, *BINS)
    assert torch.autograd.gradcheck(lambda p: light_at(p, at), (probs,), fast_mode=True)
