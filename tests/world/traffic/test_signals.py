import math

import numpy as np
import pytest

from mim4d.world.streets.curves import Curve, build_curve
from mim4d.world.streets.roads import LanePath
from mim4d.world.traffic.signals import ALL_CLOSED_S, Signals, sample_signals


def lane(x: float, y: float, yaw: float) -> Curve:
    """Straight through (x, y), which is its station 50."""
    start = (x - 50.0 * math.cos(yaw), y - 50.0 * math.sin(yaw), yaw)
    return build_curve(start, [(100.0, 0.0)])


def crossroads() -> tuple[LanePath, ...]:
    """Two roads crossing at the origin; each lane's stop line lies 10 m before it."""
    places = [(-10.0, -2.0, 0.0), (10.0, 2.0, math.pi)]
    places += [(2.0, -10.0, math.pi / 2), (-2.0, 10.0, -math.pi / 2)]
    return tuple(
        LanePath(lane(*place), (0.0, 100.0), (50.0,), "straight", k // 2, True)
        for k, place in enumerate(places)
    )


def test_a_curve_is_barred_by_its_own_lines_only():
    paths = crossroads()
    poses = np.array([path.curve.poses(np.array([50.0]))[0] for path in paths])
    signals = Signals(poses, np.array([[0.0, 5.0], [1.0, 6.0], [2.0, 7.0], [3.0, 8.0]]))
    np.testing.assert_allclose(signals.along(paths[0].curve), [[50.0, 0.0, 5.0]], atol=1e-9)
    np.testing.assert_allclose(signals.along(paths[2].curve), [[50.0, 2.0, 7.0]], atol=1e-9)
    beside = lane(-10.0, 2.0, 0.0)  # the oncoming lane, driven the wrong way
    assert len(signals.along(beside)) == 0


@pytest.mark.parametrize("seed", range(12))
def test_crossing_lanes_are_never_open_together(seed):
    paths = crossroads()
    signals = sample_signals(paths, lane(-30.0, -2.0, 0.0), 20.0, np.random.default_rng(seed))
    times = np.arange(0.0, 20.0, 0.05)
    closed = []
    for path in paths:
        lines = signals.along(path.curve)
        closed.append(((times >= lines[:, 1:2]) & (times < lines[:, 2:])).any(axis=0))
    np.testing.assert_array_equal(closed[0], closed[1])
    np.testing.assert_array_equal(closed[2], closed[3])
    assert (closed[0] | closed[2]).all()
    switches = np.abs(np.diff(closed[0].astype(int))).sum()
    both = (closed[0] & closed[2]).sum() * 0.05  # for a while at each change
    assert both == pytest.approx(switches * ALL_CLOSED_S, abs=0.2)


def test_no_lines_no_signals():
    path = LanePath(lane(0.0, 0.0, 0.0), (0.0, 100.0), (), "straight", 0, True)
    signals = sample_signals((path,), path.curve, 10.0, np.random.default_rng(0))
    assert signals.along(path.curve).shape == (0, 3)
