"""Scene flow: known answers, laws, and the slow twin of the lookup."""

import math

import pytest
import torch

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.temporal.scene_flow import FlowSearch, SceneFlow, align_sources, nearest_two, shared_mean
from mim4d.temporal.sources import Sources, valid_mean
from tests.reference.scene_flow import flow_warped_mean_loops

GRID = VoxelGrid((-16.0, -16.0, -1.0), (16.0, 16.0, 5.0), (32, 32, 3))
CHANNELS = 6
CODE = torch.tensor([1.0, -0.5, 0.3, 0.8, -0.2, 0.6])
"""What the blob holds; the world around it is empty."""


def blob(centre_xy, radius_m=1.0):
    """A soft blob, 1 to 5 m high, at metres x, y; about the size of a car."""
    away = GRID.centres_ego[..., :2] - torch.tensor(centre_xy)
    height = (GRID.centres_ego[..., 2] > 0.5).float()
    share = (-0.5 * (away.norm(dim=-1) / radius_m).square()).exp() * height
    return CODE.view(-1, 1, 1, 1) * share


def seen(times_s, objects, radius_m=1.0):
    """Sources at these times of objects ((x, y), (vx, vy)) that are at x, y at time 0."""
    volumes = [
        sum(blob((x + vx * t, y + vy * t), radius_m) for (x, y), (vx, vy) in objects)
        for t in times_s
    ]
    warped = torch.stack(volumes).unsqueeze(0)
    valid = torch.ones(1, len(times_s), *GRID.shape_zyx, dtype=torch.bool)
    return warped, valid, torch.tensor([times_s]), torch.ones(1, len(times_s), dtype=torch.bool)


def estimator(**search):
    torch.manual_seed(0)
    return SceneFlow(CHANNELS, GRID, width=6, search=FlowSearch(**search))


def at(flow, x, y):
    """Velocity of the column at metres x, y."""
    column, row = (math.floor(v + 16) for v in (x, y))
    return flow[0, :, 1, row, column].detach()


@pytest.mark.parametrize("velocity", [(4.0, 0.0), (-3.0, 5.0), (0.0, -7.0)])
@pytest.mark.parametrize(
    "times_s", [(-0.5, 0.5), (-0.4, 0.7), (-1.0, -0.5), (0.3, 1.0), (-0.6, -0.2, 0.5)]
)
def test_a_blob_that_moves_is_found(velocity, times_s):
    flow = estimator()(Sources(*seen(times_s, [((1.0, -2.0), velocity)])))
    found, truth = at(flow, 1.0, -2.0), torch.tensor([*velocity, 0.0])
    assert (found - truth).norm() < 0.3 * truth.norm(), found


@pytest.mark.parametrize("times_s", [(-0.5, 0.5), (-0.4, 0.7), (-1.0, -0.5, 0.5)])
def test_what_stands_has_no_flow(times_s):
    flow = estimator()(
        Sources(*seen(times_s, [((1.0, -2.0), (0.0, 0.0)), ((-6.0, 5.0), (0.0, 0.0))]))
    )
    assert flow.abs().max() < 0.05


def test_what_stands_beside_what_moves():
    flow = estimator()(
        Sources(*seen((-0.5, 0.5), [((4.0, 4.0), (6.0, 0.0)), ((-9.0, -9.0), (0, 0))]))
    )
    assert at(flow, 4.0, 4.0)[0] == pytest.approx(6.0, abs=1.5)
    assert at(flow, -9.0, -9.0).abs().max() < 0.05


def test_empty_space_has_no_flow():
    warped, valid, dt_s, present = seen((-0.5, 0.5), [((4.0, 4.0), (6.0, 0.0))])
    flow = estimator()(Sources(warped, valid, dt_s, present))
    assert flow[..., :8, :8].abs().max() < 0.05
    nothing = estimator()(Sources(torch.zeros_like(warped), valid, dt_s, present))
    assert nothing.isfinite().all()
    assert nothing.abs().max() < 1e-3


def test_one_source_leaves_the_flow_undetermined_and_gives_zero():
    inputs = seen((-0.5,), [((1.0, -2.0), (4.0, 0.0))])
    assert not estimator()(Sources(*inputs)).any()
    warped, valid, dt_s, present = seen((-0.5, 0.5), [((1.0, -2.0), (4.0, 0.0))])
    present[0, 1] = False
    assert not estimator()(Sources(warped, valid, dt_s, present)).any()


def scene(seed, times_s):
    warped, valid, dt_s, present = seen(times_s, [((1.0, -2.0), (4.0, 2.0)), ((5, 7), (-3.0, 0))])
    noise = 0.05 * torch.randn(warped.shape, generator=seed)
    return warped + noise, valid & (torch.rand(valid.shape, generator=seed) > 0.05), dt_s, present


def test_order_of_sources_does_not_matter(seed):
    inputs = scene(seed, (-0.9, -0.4, 0.5, 1.1))
    order = torch.tensor([2, 0, 3, 1])
    flow = estimator()(Sources(*inputs))
    torch.testing.assert_close(
        estimator()(Sources(*(i[:, order] for i in inputs))), flow, atol=1e-3, rtol=1e-3
    )
    assert flow.abs().max() > 1


def test_a_batch_is_its_clips(seed):
    first, second = scene(seed, (-0.5, 0.5)), scene(seed, (-0.3, 0.8))
    second[3][0, 0] = False
    together = estimator()(Sources(*(torch.cat(pair) for pair in zip(first, second, strict=True))))
    for i, alone in enumerate((first, second)):
        torch.testing.assert_close(
            together[i], estimator()(Sources(*alone))[0], atol=1e-3, rtol=1e-3
        )


def test_absent_sources_and_invalid_voxels_have_no_influence(seed):
    warped, valid, dt_s, present = scene(seed, (-0.9, -0.4, 0.5))
    present[0, 0] = False
    flow = estimator()(Sources(warped, valid, dt_s, present))
    warped[0, 0] = 9.0
    changed = torch.where(valid.unsqueeze(2), warped, torch.full_like(warped, -5.0))
    torch.testing.assert_close(estimator()(Sources(changed, valid, dt_s, present)), flow)


def test_gradients_reach_volumes_and_descriptors(seed):
    warped, valid, dt_s, present = scene(seed, (-0.5, 0.4, 0.9))
    module = estimator()
    warped.requires_grad_()
    flow = module(Sources(warped, valid, dt_s, present))
    mean = shared_mean(*align_sources(Sources(warped, valid, dt_s, present), flow, GRID))
    (flow.square().mean() + mean.square().mean()).backward()
    for grad in (warped.grad, module.describe.weight.grad):
        assert grad.isfinite().all()
        assert grad.abs().max() > 0


def test_gradients_of_nothing_are_finite():
    warped, valid, dt_s, present = seen((-0.5, 0.5), [((0.0, 0.0), (0.0, 0.0))])
    warped = torch.zeros_like(warped).requires_grad_()
    estimator()(Sources(warped, valid, dt_s, present)).sum().backward()
    assert warped.grad is not None
    assert warped.grad.isfinite().all()


def test_grid_without_a_matching_height_is_refused():
    with pytest.raises(ValueError, match=r"none between 7\.0 and 9\.0 m"):
        SceneFlow(CHANNELS, GRID, search=FlowSearch(heights_m=(7.0, 9.0)))


def test_a_grid_in_turned_axes_gives_the_same_motion_along_the_ego_axes():
    # The box's x axis is the ego's y axis.
    turned = VoxelGrid(
        (-16.0, -16.0, -1.0),
        (16.0, 16.0, 5.0),
        (32, 32, 3),
        ((0.0, -1.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
    )
    torch.manual_seed(0)
    module = SceneFlow(CHANNELS, turned, width=6)
    flow = module(Sources(*seen((-0.5, 0.5), [((1.0, -2.0), (6.0, 0.0))])))
    along_box_x = at(flow, 1.0, -2.0)
    assert along_box_x[1] == pytest.approx(6.0, abs=1.5)
    assert along_box_x[0] == pytest.approx(0.0, abs=0.5)


def test_nearest_two_by_hand():
    dt_s = torch.tensor([[-1.0, -0.5, 0.5, 1.0], [-1.0, -0.5, 0.5, 1.0], [0.1, -2.0, 0.3, -0.2]])
    present = torch.tensor([[True] * 4, [True, False, False, True], [True] * 4])
    assert nearest_two(dt_s, present).tolist() == [[1, 2], [0, 3], [0, 3]]


def test_warped_mean_with_zero_flow_is_the_mean(seed):
    warped, valid, dt_s, present = scene(seed, (-0.5, 0.4, 0.9))
    present[0, 1] = False
    zero = torch.zeros(1, 3, *GRID.shape_zyx)
    sources = Sources(warped, valid, dt_s, present)
    mean = shared_mean(*align_sources(sources, zero, GRID))
    expected = valid_mean(sources)
    torch.testing.assert_close(mean, expected, atol=1e-4, rtol=1e-4)


def test_warped_mean_equals_loops(seed):
    grid = VoxelGrid((-3.0, -2.0, -1.0), (3.0, 2.0, 2.0), (6, 5, 3))
    warped = torch.randn(1, 2, 3, *grid.shape_zyx, generator=seed)
    valid = torch.rand(1, 2, *grid.shape_zyx, generator=seed) > 0.3
    flow = torch.randn(1, 3, *grid.shape_zyx, generator=seed) * 2
    dt_s = torch.tensor([[-0.5, 0.8]])
    sources = Sources(warped, valid, dt_s, torch.ones(1, 2, dtype=torch.bool))
    mean = shared_mean(*align_sources(sources, flow, grid))
    twin = flow_warped_mean_loops(warped[0], valid[0], dt_s[0], flow[0], grid)
    near = twin.abs().amax(dim=0) < 20  # a share close to nothing magnifies rounding
    torch.testing.assert_close(mean[0][:, near], twin[:, near], atol=1e-3, rtol=1e-3)


def test_with_the_true_flow_all_sources_show_the_blob_in_its_place():
    sources = Sources(*seen((-0.4, 0.6), [((1.0, -2.0), (5.0, -3.0))], radius_m=2.0))
    target = blob((1.0, -2.0), radius_m=2.0).unsqueeze(0)
    flow = torch.tensor([5.0, -3.0, 0.0]).view(1, 3, 1, 1, 1).expand(1, 3, *GRID.shape_zyx)
    centre = (slice(None), slice(None), slice(None), slice(10, 18), slice(13, 21))
    moved = shared_mean(*align_sources(sources, flow, GRID))[centre]
    still = valid_mean(sources)[centre]
    assert (moved - target[centre]).abs().max() < 0.05
    assert (still - target[centre]).abs().max() > 0.2
