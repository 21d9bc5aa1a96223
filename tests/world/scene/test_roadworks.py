import math

import numpy as np
import pytest

from mim4d.world.objects.site import Site, overlap
from mim4d.world.objects.stock import Stock
from mim4d.world.scene.parking import Kerb, bus_stop, park_along, rack
from mim4d.world.scene.roadworks import dig
from mim4d.world.streets.curves import build_curve
from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.roads import LanePath, Opening, Road, StreetPlan

BARRIER, CONE = "movable_object.barrier", "movable_object.trafficcone"


def street(parking_m: float = 2.4, lanes_left: int = 1) -> StreetPlan:
    """A straight road with a junction's opening at stations 60 to 80."""
    curve = build_curve((0.0, 0.0, 0.0), [(200.0, 0.0)])
    openings = (Opening(60.0, 80.0, True, True),)
    road = Road(
        curve, 3.5, 1, lanes_left, parking_m, parking_m, 3.0, 0, 0, True, False, False, openings
    )
    lane = curve.offset(-1.75)
    path = LanePath(lane, (0.0, 200.0), (), "straight", 0, True)
    return StreetPlan((road,), lane, ((0.0, 200.0),), (), (path,), ())


def empty(plan: StreetPlan) -> Site:
    return Site(make_ground(plan.roads, np.random.default_rng(0)), Stock(1))


def check_apart(site: Site) -> None:
    for i in range(1, len(site.things)):
        here = np.broadcast_to(site.corners[i], (i, 4, 2))
        assert (overlap(here, site.corners[:i]) < 0.0).all()


def of(site: Site, category: str) -> np.ndarray:
    found = [(t.x, t.y, t.yaw) for t in site.things if t.category == category]
    return np.array(found).reshape(-1, 3)


@pytest.mark.parametrize("parking_m", [2.4, 0.0])
def test_works_keep_off_the_lanes_and_the_junction(parking_m):
    plan, built = street(parking_m), 0
    for seed in range(12):
        site = empty(plan)
        built += dig(site, plan, 40.0, np.random.default_rng(seed))
        check_apart(site)
        for thing, corners in zip(site.things, site.corners, strict=True):
            # A vehicle of 2 m in the middle of its lane passes everything.
            assert np.abs(corners[:, 1]).min() > 1.75 + 1.0, thing.category
            assert not 56.0 < thing.x < 84.0
    assert built > 4


def test_barriers_stand_in_a_row_one_beside_the_other():
    plan = street()
    for seed in range(12):
        site = empty(plan)
        dig(site, plan, 40.0, np.random.default_rng(seed))
        row = of(site, BARRIER)
        along = row[np.abs(np.sin(row[:, 2])) > 0.9]  # their length, the y axis, is along the road
        if len(along) > 3:
            gaps = np.diff(np.sort(along[:, 0]))
            assert np.median(gaps) < 3.0
            return
    raise AssertionError("no row of barriers in twelve tries")


def test_cones_taper_from_the_kerb_to_the_lane():
    plan = street()
    for seed in range(20):
        site = empty(plan)
        dig(site, plan, 40.0, np.random.default_rng(seed))
        cones = of(site, CONE)
        if len(cones) == 8:  # five before the works, three behind
            side = np.sign(cones[0, 1])
            order = np.argsort(-side * cones[:, 0])[:5]  # as the traffic beside meets them
            taper = cones[order]
            assert np.ptp(taper[:, 1]) > 1.0
            assert (np.diff(np.abs(taper[:, 1])) < 0.0).all()  # ever closer to the lane
            return
    raise AssertionError("no taper in twenty tries")


def test_parked_vehicles_stand_along_the_traffic_beside_them():
    plan = street()
    for side in (1.0, -1.0):
        site = empty(plan)
        park_along(site, Kerb(plan.roads[0], side, (0.0, 200.0)), 1.0, np.random.default_rng(2))
        cars = of(site, "vehicle.car")
        assert len(cars) > 12
        with_traffic = np.cos(cars[:, 2]) * -side
        assert (np.abs(with_traffic) > 0.99).all()
        assert (with_traffic > 0.0).mean() > 0.8
        assert (np.sign(cars[:, 1]) == side).all()
        assert not ((cars[:, 0] > 56.0) & (cars[:, 0] < 84.0)).any()
        check_apart(site)
        assert site.corners[..., 1].min() > -5.9
        assert site.corners[..., 1].max() < 5.9


def test_one_way_streets_are_parked_one_way():
    plan = street(lanes_left=0)
    kerb = Kerb(plan.roads[0], 1.0, (0.0, 200.0))
    assert kerb.heading(0.3) == 0.3
    assert Kerb(street().roads[0], 1.0, (0.0, 200.0)).heading(0.0) == math.pi


def test_stops_and_racks_stand_on_the_sidewalk():
    plan = street()
    site = empty(plan)
    rng = np.random.default_rng(6)
    for side in (1.0, -1.0):
        kerb = Kerb(plan.roads[0], side, (0.0, 200.0))
        for _ in range(4):
            rack(site, kerb, rng)
            bus_stop(site, kerb, True, rng)
    check_apart(site)
    kinds = {thing.category for thing in site.things}
    assert {"vehicle.bus.rigid", "human.pedestrian.adult", "vehicle.bicycle"} <= kinds
    for thing, corners in zip(site.things, site.corners, strict=True):
        if thing.category in ("vehicle.bicycle", "human.pedestrian.adult"):
            assert np.abs(corners[:, 1]).min() > 5.9
