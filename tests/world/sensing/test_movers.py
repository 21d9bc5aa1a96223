import numpy as np
import pytest

from mim4d.world.sensing.movers import Movers, PlacedMovers
from mim4d.world.sensing.tracks import track
from tests.reference.movers import mover_poses, mover_rows, moving_solid


@pytest.fixture(scope="module")
def layout(layouts):
    return next(drawn for drawn in layouts if len(drawn.movers) > 4)


def rays_towards(layout, poses, count, rng):
    origin = np.array([0.0, 0.0, 1.5])
    targets = np.column_stack([poses[rng.integers(0, len(poses), count), :2], np.full(count, 0.7)])
    directions = targets + rng.normal(0.0, 0.8, (count, 3)) - origin
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.tile(origin.astype(np.float32), (count, 1)), directions.astype(np.float32)


def test_placed_movers_are_what_a_solid_of_moved_meshes_is(layout):
    """The slow twin moves the triangles, ours moves the rays."""
    poses, rng = mover_poses(layout, 0.25), np.random.default_rng(0)
    origins, directions = rays_towards(layout, poses, 4000, rng)
    limits = rng.uniform(5.0, 200.0, 4000).astype(np.float32)
    slow = moving_solid(layout, poses)
    fast = PlacedMovers(Movers(layout), poses, np.ones(len(poses), dtype=np.bool_))
    np.testing.assert_array_equal(fast.objects, slow.objects)
    np.testing.assert_array_equal(fast.materials, slow.materials)
    np.testing.assert_allclose(fast.normals, slow.normals, atol=1e-5)
    (far, hit), (far_slow, hit_slow) = (
        solid.nearest(origins, directions, limits) for solid in (fast, slow)
    )
    assert (hit_slow >= 0).sum() > 200
    agree = (hit >= 0) == (hit_slow >= 0)
    assert agree.mean() > 0.999  # rays that graze an edge may go either way
    np.testing.assert_allclose(far[agree], far_slow[agree], atol=2e-3)
    blocked, blocked_slow = (solid.blocks(origins, directions, 60.0) for solid in (fast, slow))
    assert (blocked == blocked_slow).mean() > 0.999


def test_neighbouring_rays_are_ruled_out_together_and_rightly(layout):
    """Rays of a camera, and rays to the sun from what it sees: bundles of them are narrow."""
    poses = mover_poses(layout, 0.25)
    nearest = poses[np.argmin(np.hypot(*poses[:, :2].T))]
    u, v = np.meshgrid(np.linspace(-0.6, 0.6, 300), np.linspace(-0.2, 0.2, 100))
    course = np.arctan2(nearest[1], nearest[0])
    rays = np.stack([np.cos(course + u), np.sin(course + u), v], axis=-1).reshape(-1, 3)
    rays = (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)
    origins = np.tile(np.array([0.0, 0.0, 1.5], np.float32), (len(rays), 1))
    limits = np.full(len(rays), 300.0, np.float32)
    slow = moving_solid(layout, poses)
    fast = PlacedMovers(Movers(layout), poses, np.ones(len(poses), dtype=np.bool_))
    hit = fast.nearest(origins, rays, limits)[1]
    hit_slow = slow.nearest(origins, rays, limits)[1]
    assert (hit_slow >= 0).sum() > 200
    assert ((hit >= 0) == (hit_slow >= 0)).mean() > 0.999
    ground = origins + rays * np.minimum(1.5 / np.maximum(-rays[:, 2:], 1e-3), 80.0)
    suns = np.tile(np.array([0.6, 0.64, 0.48], np.float32), (len(rays), 1))
    shade, shade_slow = (solid.blocks(ground, suns, 150.0) for solid in (fast, slow))
    assert shade_slow.sum() > 100
    assert (shade == shade_slow).mean() > 0.999


def test_movers_that_are_not_wanted_are_not_there(layout):
    poses = mover_poses(layout, 0.0)
    origins, directions = rays_towards(layout, poses, 50, np.random.default_rng(1))
    none = PlacedMovers(Movers(layout), poses, np.zeros(len(poses), dtype=np.bool_))
    assert (none.nearest(origins, directions, np.full(50, 99.0, np.float32))[1] == -1).all()
    assert not none.blocks(origins, directions, 99.0).any()


def test_rows_are_those_of_the_layout(layout):
    poses = mover_poses(layout, 0.1)
    np.testing.assert_allclose(Movers(layout).rows(poses), mover_rows(layout, poses))


def test_tracks_are_motion_at_the_times(layout):
    times = np.array([-50_000, 0, 120_000])
    tracks = track(layout, times)
    np.testing.assert_allclose(tracks.poses[:, 1], mover_poses(layout, 0.0))
    later = track(layout, times + 1000)
    np.testing.assert_allclose(
        (later.poses - tracks.poses)[..., :2] / 1e-3, tracks.velocities, atol=0.02
    )
    assert tracks.index(120_000) == 2
    with pytest.raises(KeyError, match="none of those tracked"):
        tracks.index(1)
    np.testing.assert_array_equal(tracks.select(times[1:]).poses, tracks.poses[:, 1:])
