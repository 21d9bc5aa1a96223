import math

import numpy as np
import pytest

from mim4d.world.objects.catalogue import Specimen
from mim4d.world.objects.meshes import box
from mim4d.world.objects.site import (
    Site,
    half_size,
    meets,
    meets_in_time,
    overlap,
    rectangle,
    rectangles,
)
from mim4d.world.objects.stock import SHAPES, Stock
from mim4d.world.streets.curves import build_curve
from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.roads import Road

BLOCK = Specimen(box((-2.0, 1.0), (-1.0, 1.0), (0.0, 1.5), 3), np.zeros(10), "vehicle.car")


@pytest.fixture
def site() -> Site:
    curve = build_curve((0.0, 0.0, 0.0), [(100.0, 0.0)])
    road = Road(curve, 3.5, 1, 1, 0.0, 2.0, 3.0, 0, 0, True, False, False)
    return Site(make_ground((road,), np.random.default_rng(0)), Stock(0))


def test_overlap_by_hand():
    a = rectangle(0.0, 0.0, 0.0, 2.0, 1.0)
    assert overlap(a, rectangle(3.0, 0.0, 0.0, 2.0, 1.0)) == pytest.approx(1.0)
    assert overlap(a, rectangle(5.0, 0.0, 0.0, 2.0, 1.0)) == pytest.approx(-1.0)
    # A square on its corner, its centre 3.5 m ahead, reaches back to 3.5 - sqrt(2).
    turned = rectangle(3.5, 0.0, math.pi / 4, 1.0, 1.0)
    assert overlap(a, turned) == pytest.approx(2.0 - (3.5 - math.sqrt(2.0)))


def test_many_rectangles_are_each_as_one():
    rng = np.random.default_rng(1)
    poses = rng.uniform(-5.0, 5.0, (6, 3))
    each = np.stack([rectangle(x, y, yaw, 2.0, 0.9) for x, y, yaw in poses.tolist()])
    np.testing.assert_allclose(rectangles(poses, (2.0, 0.9)), each)


def test_meets_agrees_with_overlap():
    rng = np.random.default_rng(2)
    first, second = (rectangles(rng.uniform(-6.0, 6.0, (40, 3)), (2.0, 0.9)) for _ in range(2))
    for gap in (0.0, 0.5):
        by_pair = [bool(overlap(a, b) > -gap) for a, b in zip(first, second, strict=True)]
        assert [meets(a[None], b[None], gap) for a, b in zip(first, second, strict=True)] == by_pair
        assert meets_in_time(first, second[None], gap) == any(by_pair)
    assert 5 < sum(by_pair) < 35


def test_meeting_at_different_times_is_no_meeting():
    poses = np.column_stack([np.arange(20.0), np.zeros((20, 2))])
    late = rectangles(poses - np.array([6.0, 0.0, 0.0]), (2.0, 0.9))
    assert not meets_in_time(rectangles(poses, (2.0, 0.9)), late[None], 0.5)
    assert meets(rectangles(poses, (2.0, 0.9)), late, 0.5)


def test_footprints_reach_as_far_as_the_mesh(site):
    assert half_size(BLOCK.mesh) == (2.0, 1.0)
    site.put(BLOCK, (10.0, 0.0, math.pi / 2), np.random.default_rng(0))
    assert site.things[0].category == "vehicle.car"
    assert not site.is_free(rectangle(10.0, 2.4, 0.0, 0.5, 0.5), 0.2)
    assert site.is_free(rectangle(10.0, 2.8, 0.0, 0.5, 0.5), 0.2)
    site.clear(rectangle(10.0, 0.0, 0.0, 1.0, 1.0)[None])
    assert not site.things


def test_more_things_than_first_room(site):
    for k in range(300):
        site.put(BLOCK, (10.0 * k, 50.0, 0.0), np.random.default_rng(k))
    assert site.corners.shape == (300, 4, 2)
    np.testing.assert_allclose(site.corners[299], rectangle(2990.0, 50.0, 0.0, 2.0, 1.0))


def test_distance_beyond_the_kerb(site):
    right = rectangle(50.0, -3.0, 0.0, 2.0, 1.0)  # the right kerb lies at 3.5 m
    assert site.highest_beyond_kerb(right[None]) == pytest.approx(0.5)
    assert site.beyond_kerb(right) == pytest.approx(-1.5)


def test_stock_does_not_depend_on_who_draws_first():
    one, other = Stock(3), Stock(3)
    other.draw("bus", np.random.default_rng(8))
    a = one.draw("truck", np.random.default_rng(9))
    b = other.draw("truck", np.random.default_rng(9))
    np.testing.assert_array_equal(a.mesh.triangles, b.mesh.triangles)
    np.testing.assert_array_equal(a.look, b.look)


def test_stock_repeats_shapes_and_varies_colours():
    stock, rng = Stock(4), np.random.default_rng(0)
    drawn = [stock.draw("bus", rng) for _ in range(40)]
    assert len({id(one.mesh) for one in drawn}) == SHAPES
    assert len({tuple(one.look) for one in drawn}) == 40
