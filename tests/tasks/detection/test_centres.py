"""The dense head: targets and decoding undo each other, peaks and losses by hand."""

from dataclasses import replace

import pytest
import torch

from mim4d.config.head import BevTrunkConfig, CentreHeadConfig
from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES
from mim4d.tasks.detection.box_code import decode_boxes, encode_boxes, move_boxes
from mim4d.tasks.detection.centre_decoding import decode_centres, keep_apart
from mim4d.tasks.detection.centre_head import REGRESSED, CentreHead, CentreOutput
from mim4d.tasks.detection.centre_losses import (
    CellBoxes,
    boxes_on_cells,
    centre_losses,
)
from mim4d.tasks.detection.centres import Centres
from mim4d.tasks.detection.detections import TrueBoxes, attributes_by_speed
from mim4d.tasks.detection.metric import DetectionMetric

CELLS = VoxelGrid((-16.0, -16.0, -2.0), (16.0, 16.0, 4.0), (32, 32, 1))
TURNED = replace(CELLS, ego_from_box=box_pose((0.9, 0.0, 1.8), (-2.0, 0.0, -90.0)))
BOXES = torch.tensor(
    [
        [5.3, -2.7, 0.8, 4.5, 1.9, 1.6, 0.7, 3.0, 2.0],
        [-9.1, 8.4, 0.9, 0.7, 0.6, 1.8, -2.0, 0.0, 0.0],
        [0.4, 12.2, 1.5, 10.0, 2.8, 3.2, 3.0, -4.0, 0.0],
    ]
)
KINDS = torch.tensor([CLASSES.index(n) for n in ("car", "pedestrian", "bus")])


def truth(boxes=BOXES, kinds=KINDS, learned=None) -> TrueBoxes:
    count = len(boxes)
    points = torch.full((count,), 5)
    known = torch.tensor([ATTRIBUTES.index("vehicle.moving"), 2, 5])[:count]
    learned = torch.ones(count, dtype=torch.bool) if learned is None else learned
    return TrueBoxes(boxes, kinds, known, points, torch.full((count,), 4), learned, "token")


def perfect_output(on_cells: CellBoxes) -> CentreOutput:
    """What a head would say that knows the truth."""
    heat = on_cells.heat.clamp(1e-4, 1 - 1e-4)
    row, column = on_cells.cells.unbind(1)
    maps = {name: torch.zeros(1, size, *heat.shape[1:]) for name, size in REGRESSED.items()}
    for name, values in on_cells.numbers.items():
        maps[name][0, :, row, column] = values.T.nan_to_num(0.0)
    attributes = torch.zeros(1, len(ATTRIBUTES), *heat.shape[1:])
    attributes[0, on_cells.attributes, row, column] = 9.0
    return CentreOutput(logits=heat.logit()[None], attributes=attributes, **maps)


def test_targets_and_decoding_undo_each_other() -> None:
    for cells in (CELLS, TURNED):
        output = perfect_output(boxes_on_cells(truth(), cells))
        found = decode_centres(output, 0, cells, 10, 0.5)
        order = [found.classes.tolist().index(kind) for kind in KINDS.tolist()]
        assert len(found.scores) == 3
        turn = (found.boxes_ref[order] - BOXES)[:, 6]
        assert (torch.remainder(turn + 1, 2 * torch.pi) - 1).abs().max() < 2e-3
        # A heading or velocity in the turned cells' plane loses what points out of it.
        others = [0, 1, 2, 3, 4, 5, 7, 8]
        torch.testing.assert_close(
            found.boxes_ref[order][:, others], BOXES[:, others], atol=5e-3, rtol=0
        )
        assert found.attributes[order].tolist() == truth().attributes.tolist()


def test_a_perfect_head_has_next_to_no_loss() -> None:
    on_cells = boxes_on_cells(truth(), CELLS)
    losses = centre_losses(perfect_output(on_cells), [on_cells], {})
    assert losses.pop("loss") < 0.2
    assert losses.pop("heat") < 0.2
    assert all(value < 0.01 for value in losses.values()), losses


def test_unknown_velocities_and_unseen_boxes_teach_nothing() -> None:
    boxes = BOXES.clone()
    boxes[0, 7:] = float("nan")
    learned = torch.tensor([True, True, False])
    on_cells = boxes_on_cells(truth(boxes, learned=learned), CELLS)
    assert len(on_cells.cells) == 2
    bus = CLASSES.index("bus")
    assert not on_cells.heat[bus].any()
    assert not on_cells.counted[bus, 28, 16]  # where the bus is that nobody could see
    losses = centre_losses(perfect_output(boxes_on_cells(truth(), CELLS)), [on_cells], {})
    assert losses["velocity"].isfinite()
    assert losses["velocity"] < 0.01
    none = boxes_on_cells(truth(BOXES[:0], KINDS[:0]), CELLS)
    zeros = {n: torch.zeros(1, s, 32, 32) for n, s in REGRESSED.items()}
    empty = CentreOutput(
        torch.full((1, 10, 32, 32), -9.0), attributes=torch.zeros(1, 8, 32, 32), **zeros
    )
    assert centre_losses(empty, [none], {})["loss"] < 1e-3


def test_velocity_is_learned_of_what_moves_and_given_to_what_is_said_to() -> None:
    on_cells = boxes_on_cells(truth(), CELLS)
    assert on_cells.numbers["velocity"].isfinite().all(dim=1).tolist() == [True, False, True]
    exact = perfect_output(on_cells)
    off = replace(exact, velocity=exact.velocity + 0.5)
    losses = centre_losses(off, [on_cells], {})
    assert losses["velocity"] == pytest.approx(2 * 0.5)  # of the two that move, not of three
    found = decode_centres(off, 0, CELLS, 10, 0.5)
    speeds = dict(zip(found.classes.tolist(), found.boxes_ref[:, 7:].tolist(), strict=True))
    assert speeds[CLASSES.index("pedestrian")] == [0.0, 0.0]  # it stands
    assert speeds[CLASSES.index("bus")] == pytest.approx([-3.5, 0.5])


def test_a_cyclist_who_waits_is_taught_to_have_no_velocity() -> None:
    bicycle = torch.tensor([CLASSES.index("bicycle")])
    standing = truth(BOXES[1:2], bicycle)  # velocity 0
    ridden = replace(standing, attributes=torch.tensor([ATTRIBUTES.index("cycle.with_rider")]))
    assert boxes_on_cells(ridden, CELLS).numbers["velocity"].tolist() == [[0.0, 0.0]]
    parked = replace(standing, attributes=torch.tensor([ATTRIBUTES.index("cycle.without_rider")]))
    assert boxes_on_cells(parked, CELLS).numbers["velocity"].isnan().all()


def test_velocity_without_attributes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attribute_weight: expected above 0 beside"):
        CentreHeadConfig(attribute_weight=0.0)
    assert CentreHeadConfig(attribute_weight=0.0, velocity_weight=0.0).attribute_weight == 0


def test_attributes_that_nobody_annotated_follow_from_speed() -> None:
    boxes = BOXES.clone()
    boxes[2, 7:] = float("nan")
    plain = replace(truth(boxes), attributes=torch.full((3,), -1))
    attributes = boxes_on_cells(plain, CELLS).attributes.tolist()
    assert [ATTRIBUTES[a] for a in attributes[:2]] == ["vehicle.moving", "pedestrian.standing"]
    assert attributes[2] == -1


def test_boxes_of_one_class_are_kept_apart() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.9, 0.0], [0.5, 0.0]])
    kinds = torch.tensor([0, 0, 0, 1])
    assert keep_apart(centres, kinds, torch.full((4,), 1.5)).tolist() == [True, False, True, True]


def test_broken_weights_are_refused_not_left_without_boxes() -> None:
    output = perfect_output(boxes_on_cells(truth(), CELLS))
    broken = replace(output, logits=output.logits * torch.nan)
    with pytest.raises(ValueError, match="weights are unusable"):
        decode_centres(broken, 0, CELLS, 10, 0.5)


def test_codes_and_axes_come_back() -> None:
    torch.testing.assert_close(decode_boxes(encode_boxes(BOXES)), BOXES)
    turn = torch.tensor(box_pose((1.0, 2.0, 3.0), (0.0, 0.0, 30.0)))
    moved = move_boxes(turn, BOXES)
    turned = torch.remainder(moved[:, 6] - BOXES[:, 6], 2 * torch.pi)
    torch.testing.assert_close(turned, torch.full((3,), torch.pi / 6))
    torch.testing.assert_close(move_boxes(torch.linalg.inv(turn), moved), BOXES)


def test_attributes_by_speed() -> None:
    kinds = torch.tensor([CLASSES.index(n) for n in ("car", "car", "bus", "pedestrian", "barrier")])
    speeds = torch.tensor([[0.1, 0.0], [0.3, 0.0], [0.0, 0.0], [0.0, 1.0], [5.0, 0.0]])
    names = [ATTRIBUTES[a] if a >= 0 else "" for a in attributes_by_speed(kinds, speeds).tolist()]
    assert names == ["vehicle.parked", "vehicle.moving", "vehicle.stopped", "pedestrian.moving", ""]


def test_scores_do_not_depend_on_how_clips_are_dealt_out() -> None:
    """One batch, and two processes with the clips in another order: the same to the last bit."""
    generator = torch.Generator().manual_seed(0)
    clips = []
    for i in range(6):
        boxes = BOXES + torch.randn(BOXES.shape, generator=generator) * 0.3
        output = perfect_output(boxes_on_cells(truth(boxes), CELLS))
        clips.append((decode_centres(output, 0, CELLS, 10, 0.5), replace(truth(), token=f"t{i}")))
    whole, merged = DetectionMetric(), DetectionMetric()
    whole.update([found for found, _ in clips], [true for _, true in clips])
    halves = [DetectionMetric() for _ in range(2)]
    for i in (5, 0, 3, 1, 4, 2):
        halves[i % 2].update([clips[i][0]], [clips[i][1]])
    for half in halves:
        merged.merge_state(half)
    assert whole.compute() == merged.compute()
    precision = whole.compute()["mean of true classes"]["AP"]
    assert precision is not None
    assert 0.2 < precision < 1.0
    assert DetectionMetric().compute()["mean"]["AP"] == 0.0


@pytest.mark.parametrize(("box_hidden", "wanted"), [(None, 24), (8, 8)])
def test_branches_have_the_channels_asked_for(box_hidden: int | None, wanted: int) -> None:
    trunk = BevTrunkConfig(width=16)
    options = CentreHeadConfig(cells_xy=(32, 32), trunk=trunk, hidden=24, box_hidden=box_hidden)
    head = Centres(options, CELLS).build_head(4)
    assert isinstance(head, CentreHead)
    for name, branch in head.branches.items():
        between = branch.get_parameter("0.weight")
        assert len(between) == (24 if name == "logits" else wanted), name
    output = head(torch.randn(2, 4, 1, 32, 32))
    sizes = {name: getattr(output, name).shape[1] for name in head.branches}
    assert sizes == {"logits": len(CLASSES), **REGRESSED, "attributes": len(ATTRIBUTES)}
    assert output.logits.sigmoid().mean().item() == pytest.approx(0.01, rel=0.5)


@pytest.mark.parametrize("channels", [4, 12])
def test_channels_that_make_no_groups_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=r"head\.box_hidden"):
        CentreHeadConfig(box_hidden=channels)
