import numpy as np
import pytest

from mim4d.world.objects.site import rectangle
from mim4d.world.scene.layout import View, sample_layout
from mim4d.world.traffic.traffic import HIGHEST_SPEED
from tests.reference.movers import mover_poses
from tests.world.make import LAYOUT_S


def footprint(mesh, pose):
    low, high = mesh.extent
    return rectangle(pose[0], pose[1], pose[2], max(-low[0], high[0]), max(-low[1], high[1]))


def test_ego_moves_smoothly_along_its_heading(layouts):
    times = np.arange(0.0, LAYOUT_S, 0.05)
    for layout in layouts:
        poses = layout.ego.poses(times)
        step = np.diff(poses[:, :2], axis=0)
        speed = np.linalg.norm(step, axis=1) / 0.05
        assert speed.max() < HIGHEST_SPEED + 0.1
        assert np.abs(np.diff(speed)).max() / 0.05 < 4.6  # metres per second squared
        turned = np.diff(np.unwrap(poses[:, 2]))
        assert np.abs(turned).max() / 0.05 < 1.0  # radians per second
        heading = np.unwrap(poses[:, 2])[:-1] + turned / 2
        course = np.arctan2(step[:, 1], step[:, 0])
        apart = np.remainder(course - heading + np.pi, 2 * np.pi) - np.pi
        assert np.abs(apart[speed > 0.1]).max(initial=0.0) < 0.02


def test_ego_drives_between_the_kerbs(layouts):
    for layout in layouts:
        for x, y, yaw in layout.ego.poses(np.arange(0.0, LAYOUT_S, 0.25)):
            car = rectangle(x + 1.4 * np.cos(yaw), y + 1.4 * np.sin(yaw), yaw, 2.4, 0.95)
            assert layout.ground.beyond_kerb(car)[:, 0].max() < 0.0


def test_buildings_keep_off_roads_and_sidewalks(layouts):
    for layout in layouts:
        for thing in layout.things:
            low, high = thing.mesh.extent
            if (
                not thing.category
                and high[2] > 2.5
                and high[0] - low[0] > 4.5
                and thing.look[7] > 0
            ):
                corners = footprint(thing.mesh, (thing.x, thing.y, thing.yaw))
                beyond = layout.ground.beyond_kerb(corners)
                assert (beyond[:, 0] > beyond[:, 1] - 0.8).all()  # canopies and eaves hang over


def test_scenes_differ(layouts):
    assert len({len(layout.things) for layout in layouts}) > len(layouts) // 2
    assert len({round(float(layout.light.sun_direction[2]), 3) for layout in layouts}) == len(
        layouts
    )


def test_view_keeps_what_is_ahead_and_close():
    view = View(0.0, 0.0, 0.0, np.pi / 4)
    assert view.concerns(50.0, 0.0)
    assert view.concerns(50.0, 49.0)
    assert view.concerns(-5.0, 5.0)  # behind, but its shadow may show
    assert not view.concerns(-30.0, 0.0)
    assert not view.concerns(10.0, 60.0)


@pytest.mark.slow
def test_layout_depends_on_its_seed_only():
    first, second = (sample_layout(np.random.SeedSequence((1, 3, 0)), 0.5) for _ in range(2))
    np.testing.assert_array_equal(
        np.stack([thing.row() for thing in first.things]),
        np.stack([thing.row() for thing in second.things]),
    )
    np.testing.assert_array_equal(mover_poses(first, 0.4), mover_poses(second, 0.4))
