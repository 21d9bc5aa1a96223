"""Scene flow error by class and speed: hand numbers, laws, the stored cases of the public tool."""

import pytest
import torch

from mim4d.metrics.scene_flow_buckets import FlowBuckets, within_limit
from tests.metrics.stored import load_case, near, stored_array

NEAR = 1e-9


def along_x(speeds):
    flow = torch.zeros(len(speeds), 3, dtype=torch.float64)
    flow[:, 0] = torch.tensor(speeds, dtype=torch.float64)
    return flow


def yes(count):
    return torch.ones(count, dtype=torch.bool)


def test_zero_flow_has_one_whatever_the_class():
    truth = along_x([0.0, 0.5, 0.51, 3.0, 0.0, 0.05])
    group = torch.tensor([0, 0, 0, 0, 1, 1])
    buckets = FlowBuckets.normalised(3).add(torch.zeros_like(truth), truth, group, yes(6))
    assert buckets.of_group(0).dynamic == pytest.approx(1)
    assert buckets.of_group(1).dynamic == pytest.approx(1)
    assert buckets.of_group(2).dynamic is None
    assert buckets.of_group(2).static is None
    assert buckets.mean.dynamic == pytest.approx(1)
    assert buckets.mean.static == 0


def test_filled_buckets_count_alike():
    # 0.41 and 0.43 share a bucket; 1.0 has its own, from its lower edge on.
    truth = along_x([0.41, 0.43, 1.0])
    predicted = along_x([0.41, 0.22, 0.5])
    group = torch.zeros(3, dtype=torch.long)
    buckets = FlowBuckets.normalised(1).add(predicted, truth, group, yes(3))
    assert buckets.of_group(0).dynamic == pytest.approx((0.21 / 0.84 + 0.5) / 2)
    assert buckets.sums[0, 25, 0] == 1


def test_points_that_do_not_count(seed):
    truth = torch.randn(50, 3, generator=seed)
    group = torch.randint(-1, 2, (50,), generator=seed)
    valid = torch.rand(50, generator=seed) > 0.4
    predicted = torch.zeros(50, 3)
    kept = valid & (group >= 0)
    both = FlowBuckets.normalised(2).add(predicted, truth, group, valid)
    only = FlowBuckets.normalised(2).add(
        predicted[kept], truth[kept], group[kept], yes(int(kept.sum()))
    )
    torch.testing.assert_close(both.sums, only.sums)
    assert both.sums[..., 0].sum() == kept.sum()
    assert within_limit(torch.tensor([[35.0, 0, 0], [34.9, -34.9, 99]])).tolist() == [False, True]


def test_bad_use_is_refused():
    flow, valid = torch.zeros(1, 3), yes(1)
    with pytest.raises(ValueError, match="expected -1 to 1"):
        FlowBuckets.three_way().add(flow, flow, torch.tensor([2]), valid)
    with pytest.raises(ValueError, match="same groups"):
        FlowBuckets.three_way() + FlowBuckets.normalised(2)
    with pytest.raises(ValueError, match="three_way"):
        _ = FlowBuckets.normalised(2).three_way_epe


def sums_of_case(case, empty, key, limit):
    by_name = case[key]
    names = sorted(by_name)
    group_of_class = {
        int(number): next((i for i, g in enumerate(names) if name in by_name[g]), -1)
        for number, name in case["category_names"].items()
    }
    total = empty(len(names))
    for frame in case["frames"]:
        group = torch.tensor([group_of_class[c] for c in stored_array(frame["class"]).tolist()])
        valid = stored_array(frame["is_valid"])
        if limit != "inf":
            valid &= within_limit(stored_array(frame["xyz"]), float(limit))
        arrays = (stored_array(frame[k]) for k in ("pred_flow", "flow"))
        # One sum per frame, added up: what a data set does clip by clip.
        total = total + empty(len(names)).add(*arrays, group, valid)
    return names, total


@pytest.mark.parametrize("kind", ["bucketed", "threeway"])
def test_stored_case(golden_dir, kind):
    case = load_case(golden_dir, "scene_flow_bucketed")
    assert case["expected"][kind]
    for limit in case["expected"][kind]:
        check_stored_case(case, kind, limit)


def check_stored_case(case, kind, limit):
    """One of the tool's evaluators, over the points within a distance (metres or `inf`)."""
    empty, key = {
        "bucketed": (FlowBuckets.normalised, "meta_classes"),
        "threeway": (lambda _: FlowBuckets.three_way(), "threeway_meta_classes"),
    }[kind]
    names, sums = sums_of_case(case, empty, key, limit)
    expected = case["expected"][kind][limit]
    assert names == sorted(expected["classes"])
    for i, name in enumerate(names):
        for part, value in expected["per_class"][name].items():
            ours = getattr(sums.of_group(i), part)
            assert ours == near(value), name
    for part, value in expected["mean"].items():
        assert getattr(sums.mean, part) == near(value), part
    filled = {(names[k], q): sums.sums[k, q] for k, q in sums.sums[..., 0].nonzero().tolist()}
    assert len(filled) == len(expected["filled_buckets"])
    for name, bucket, count, error, speed in expected["filled_buckets"]:
        n, e, s = filled[name, bucket].tolist()
        assert n == count
        assert (e / n, s / n) == pytest.approx((error, speed), abs=NEAR)


def test_edges_equal_the_stored_ones(golden_dir):
    case = load_case(golden_dir, "scene_flow_bucketed")["expected"]
    for ours, name in [
        (FlowBuckets.normalised(1), "bucketed"),
        (FlowBuckets.three_way(), "threeway"),
    ]:
        assert ours.edges.tolist() == [float(edge) for edge in case[f"{name}_edges"]]


def test_three_way_epe_is_the_mean_of_three():
    truth = along_x([0.0, 0.0, 1.0])
    predicted = along_x([0.1, 0.2, 0.4])
    sums = FlowBuckets.three_way().add(predicted, truth, torch.tensor([0, 1, 1]), yes(3))
    assert sums.three_way_epe == pytest.approx((0.1 + 0.2 + 0.6) / 3)
