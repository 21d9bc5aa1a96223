"""Laws of what moves and what stands, over the first scenes of a stream."""

import numpy as np

from mim4d.world.objects.classes import CATEGORIES, DETECTION_CLASS
from mim4d.world.objects.site import half_size, meets, meets_in_time, overlap, rectangles
from mim4d.world.scene.layout import Layout
from mim4d.world.traffic.driving import FIRMEST_START, HARDEST_BRAKE
from mim4d.world.traffic.motion import Mover
from mim4d.world.traffic.traffic import EGO_CENTRE_M, EGO_HALF_M, HIGHEST_SPEED
from mim4d.world.traffic.walkers import on_foot
from tests.world.make import LAYOUT_S, LAYOUTS

TIMES = np.arange(0.0, LAYOUT_S, 0.05)


def vehicles(layout: Layout) -> list[Mover]:
    return [m for m in layout.movers if m.thing.category.startswith("vehicle")]


def people(layout: Layout) -> list[Mover]:
    return [m for m in layout.movers if m.thing.category.startswith("human")]


def swept(mover: Mover) -> np.ndarray:
    return rectangles(mover.motion.poses(TIMES), half_size(mover.thing.mesh))


def swept_ego(layout: Layout) -> np.ndarray:
    poses = layout.ego.poses(TIMES)
    poses[:, :2] += EGO_CENTRE_M * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=-1)
    return rectangles(poses, EGO_HALF_M)


def test_nothing_overlaps_at_any_time(layouts):
    for layout in layouts:
        moving = [swept_ego(layout), *(swept(mover) for mover in layout.movers)]
        for i in range(1, len(moving)):
            assert not meets_in_time(moving[i], np.stack(moving[:i]), 0.0)
        standing = np.concatenate(
            [
                rectangles(np.array([[t.x, t.y, t.yaw]]), half_size(t.mesh))
                for t in layout.things
                if t.category
            ]
        )
        for corners in moving:
            assert not meets(corners, standing, 0.0)
        for i in range(1, len(standing)):
            pairs = np.broadcast_to(standing[i], (i, 4, 2))
            assert (overlap(pairs, standing[:i]) < 0.0).all()


def test_vehicles_stay_on_a_lane_path_and_between_the_kerbs(layouts):
    for layout in layouts[::2]:
        tables = [path.curve for path in layout.plan.paths]
        widest = max(road.lane_width_m for road in layout.plan.roads)
        for mover in vehicles(layout):
            poses = mover.motion.poses(TIMES[::4])
            least = np.full(len(tables), np.inf)
            for i, curve in enumerate(tables):
                station, lateral = curve.project(poses[:, :2])
                along = np.cos(poses[:, 2] - curve.poses(station)[:, 2])
                least[i] = np.abs(lateral).max() if along.min() > 0.7 else np.inf
            assert least.min() < widest / 2 - 0.3, mover.thing.category
            assert layout.ground.beyond_kerb(swept(mover)[::4].reshape(-1, 2))[:, 0].max() < 0.0


def test_vehicles_drive_on_the_right(layouts):
    for layout in layouts:
        for mover in vehicles(layout):
            poses = mover.motion.poses(TIMES[::8])
            for road in layout.plan.roads:
                station, lateral = road.curve.project(poses[:, :2])
                along = np.cos(poses[:, 2] - road.curve.poses(station)[:, 2])
                inside = (lateral < road.left_edge_m) & (lateral > -road.right_edge_m)
                parallel = inside & (np.abs(along) > 0.98)
                if road.lanes_left == 0:
                    assert (along[parallel] > 0.0).all()
                else:
                    far = parallel & (np.abs(lateral) > 0.5)
                    assert (along[far] * lateral[far] < 0.0).all()


def test_vehicles_accelerate_and_brake_within_bounds(layouts):
    step = 0.02
    times = np.arange(0.0, LAYOUT_S, step)
    for layout in layouts:
        for motion in [layout.ego, *(m.motion for m in vehicles(layout))]:
            speeds = motion.speeds(times)
            assert speeds.min() >= 0.0
            assert speeds.max() < 18.0
            acceleration = np.diff(speeds) / step
            assert acceleration.max() < FIRMEST_START + 1e-6
            assert acceleration.min() > -HARDEST_BRAKE - 1e-6
            moved = np.diff(motion.poses(times)[:, :2], axis=0)
            course = np.hypot(*moved.T) / step
            assert np.abs(np.diff(course)).max() < 0.6  # no jump of the velocity, bends included


def test_ego_changes_speed_and_seldom_stands(layouts):
    speeds = np.stack([layout.ego.speeds(TIMES) for layout in layouts])
    assert speeds.max() < HIGHEST_SPEED + 0.1
    assert (speeds.max(axis=1) > 1.0).all()
    assert (np.ptp(speeds, axis=1) > 1.0).mean() > 0.4
    assert (speeds.mean(axis=1) > 3.0).mean() > 0.75


def test_walkers_keep_to_sidewalks_and_crossings(layouts):
    crossing = 0
    for layout in layouts:
        for mover in people(layout):
            points = mover.motion.poses(TIMES[::4])[:, :2]
            assert on_foot(layout.ground, layout.plan.crossings, points).all()
            crossing += bool((layout.ground.beyond_kerb(points)[:, 0] < 0.0).any())
    assert crossing > 10


def test_every_detection_class_occurs_in_a_good_share_of_scenes(layouts):
    seen = dict.fromkeys(DETECTION_CLASS.values(), 0)
    for layout in layouts:
        ego = layout.ego.poses(TIMES[::10])[:, :2]
        placed = [(t.category, np.array([[t.x, t.y]])) for t in layout.things if t.category]
        placed += [(m.thing.category, m.motion.poses(TIMES[::10])[:, :2]) for m in layout.movers]
        near = {
            DETECTION_CLASS[category]
            for category, points in placed
            if np.linalg.norm(ego - points, axis=1).min() < 50.0
        }
        for name in near:
            seen[name] += 1
    assert min(seen.values()) >= LAYOUTS / 3, seen
    assert seen["car"] >= LAYOUTS - 1
    assert seen["pedestrian"] >= LAYOUTS - 2


def test_categories_are_known_and_riders_ride(layouts):
    for layout in layouts:
        things = [*layout.things, *(mover.thing for mover in layout.movers)]
        assert {thing.category for thing in things} <= {"", *CATEGORIES}
        ridden = [m.thing for m in layout.movers if m.thing.category.endswith("cycle")]
        assert all(thing.rider for thing in ridden)
        assert not any(thing.rider for thing in layout.things)


def test_numbers_vary_from_empty_to_busy(layouts):
    counts = np.array([len(vehicles(layout)) for layout in layouts])
    assert counts.min() < 12
    assert counts.max() > 30


def test_some_turn_and_some_stand(layouts):
    turned = stood = 0
    for layout in layouts:
        for mover in vehicles(layout):
            yaw = mover.motion.poses(TIMES[[0, -1]])[:, 2]
            speeds = mover.motion.speeds(TIMES)
            turned += abs(np.remainder(yaw[1] - yaw[0] + np.pi, 2 * np.pi) - np.pi) > 0.6
            stood += speeds.min() < 0.1
    assert turned > 12
    assert stood > 20


def test_trailers_are_drawn_or_parked(layouts):
    for layout in layouts:
        for mover in layout.movers:
            if mover.thing.category != "vehicle.trailer":
                continue
            here = mover.motion.poses(TIMES)[:, :2]
            trucks = [m for m in layout.movers if m.thing.category == "vehicle.truck"]
            apart = [np.linalg.norm(m.motion.poses(TIMES)[:, :2] - here, axis=1) for m in trucks]
            assert min(np.ptp(distance) for distance in apart) < 0.5
