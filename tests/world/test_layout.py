import numpy as np
import pytest

from mim4d.world.layout import Layout, View, sample_layout
from mim4d.world.site import overlap, rectangle
from mim4d.world.traffic import HIGHEST_SPEED
from tests.reference.movers import mover_poses

DURATION_S = 4.0


@pytest.fixture(scope="module")
def layouts() -> list[Layout]:
    return [sample_layout(np.random.SeedSequence((1, 3, i)), DURATION_S) for i in range(4)]


def footprint(mesh, pose):
    low, high = mesh.extent
    return rectangle(pose[0], pose[1], pose[2], max(-low[0], high[0]), max(-low[1], high[1]))


def test_ego_moves_smoothly_along_its_heading(layouts):
    times = np.arange(0.0, DURATION_S, 0.05)
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


def test_ego_drives_on_the_road_and_touches_nothing(layouts):
    for layout in layouts:
        standing = np.stack(
            [footprint(t.mesh, (t.x, t.y, t.yaw)) for t in layout.things if t.category]
        )
        for time in np.arange(0.0, DURATION_S, 0.25):
            x, y, yaw = layout.ego.poses(np.array([time]))[0]
            middle = (x + 1.4 * np.cos(yaw), y + 1.4 * np.sin(yaw), yaw)
            car = rectangle(*middle, 2.4, 0.95)
            assert layout.ground.beyond_kerb(car)[:, 0].max() < 0.0
            others = [
                footprint(m.thing.mesh, m.motion.poses(np.array([time]))[0]) for m in layout.movers
            ]
            every = np.concatenate([standing, np.stack(others)]) if others else standing
            assert overlap(np.broadcast_to(car, every.shape), every).max() < 0.0


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


def test_movers_never_meet(layouts):
    for layout in layouts:
        for time in (0.0, 2.0, DURATION_S):
            at = [
                footprint(m.thing.mesh, m.motion.poses(np.array([time]))[0]) for m in layout.movers
            ]
            for i in range(len(at)):
                for j in range(i):
                    assert overlap(at[i], at[j]) < 0.0


def test_scenes_differ(layouts):
    assert len({len(layout.things) for layout in layouts}) > 2
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


def test_layout_depends_on_its_seed_only():
    first, second = (sample_layout(np.random.SeedSequence((1, 3, 0)), 2.0) for _ in range(2))
    np.testing.assert_array_equal(
        np.stack([thing.row() for thing in first.things]),
        np.stack([thing.row() for thing in second.things]),
    )
    np.testing.assert_array_equal(mover_poses(first, 1.0), mover_poses(second, 1.0))
