import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.boxes import boxes_of_samples, velocities, yaw_rates
from mim4d.data.tables.tables import NuscenesTables
from mim4d.geometry.rigid import invert_rigid
from tests.data.tiny_dataset import Rows, complete_tiny_dataset, edit_table, yaw_quaternion


def test_boxes_in_ref_by_hand(tiny: Path) -> None:
    edit_table(
        tiny,
        "sample_annotation",
        lambda rows: rows[2].update(rotation=yaw_quaternion(math.pi / 2 + 0.3)),
    )
    tables = NuscenesTables.open(tiny)
    anchor = tables.find("sample_data", "scene0-LIDAR_TOP-10")
    ref_from_global = invert_rigid(tables.global_from_ego(np.array([anchor])))[0]
    sample = tables.find("sample", "scene0-sample2")
    boxes = boxes_of_samples(tables, [-1, sample], ref_from_global)
    # The car is at (1000, 2002) and looks along +y: ref x = y - 2002, ref y = 1000 - x.
    expected = [
        [11.0, 2.0, 0.8, 4.0, 2.0, 1.6, 0.3, 3.0, 0.0],  # moves at 3 m/s along global +y
        [4.0, 2.0, 0.8, 4.0, 2.0, 1.6, 0.0, 0.0, 0.0],  # seen once
    ]
    assert boxes.counts == (0, 2)
    torch.testing.assert_close(boxes.boxes_ref, torch.tensor(expected), atol=1e-5, rtol=0)
    assert boxes.valid_velocities.tolist() == [True, False]
    assert [tables.category_names[k] for k in boxes.classes.tolist()] == [
        "vehicle.car",
        "movable_object.barrier",
    ]


def test_points_and_visibility_of_boxes(tiny: Path) -> None:
    """Said by the table, said by nobody, and a level that is none of nuScenes' four."""
    complete_tiny_dataset(tiny)

    def change(rows: Rows) -> None:
        for row in rows:
            if row["token"] == "scene0-object0-1":
                row.update(visibility_token="1", num_lidar_pts=0)
            if row["token"] == "scene0-object0-2":
                row.pop("visibility_token")
                row.pop("num_lidar_pts")
            if row["token"] == "scene0-object0-3":
                row.update(visibility_token="high")

    edit_table(tiny, "sample_annotation", change)
    edit_table(tiny, "visibility", lambda rows: rows.append({"token": "high", "level": "v"}))
    tables = NuscenesTables.open(tiny)
    samples = [tables.find("sample", f"scene0-sample{k}") for k in range(4)]
    boxes = boxes_of_samples(tables, samples, torch.eye(4, dtype=torch.float64))
    assert boxes.counts == (1, 1, 2, 1)
    assert boxes.lidar_points.tolist() == [3, 0, -1, 3, 3]
    assert boxes.visibility.tolist() == [4, 1, 0, 4, 0]


def test_sample_without_boxes(tiny: Path) -> None:
    edit_table(tiny, "sample_annotation", lambda rows: rows.clear())
    tables = NuscenesTables.open(tiny)
    boxes = boxes_of_samples(tables, [0], torch.eye(4, dtype=torch.float64))
    assert boxes.boxes_ref.shape == (0, 9)


# Spacing of the samples; whether the first (one neighbour) and third (two) have a velocity.
@pytest.mark.parametrize(
    ("spacing_s", "one_sided", "central"),
    [(0.5, True, True), (1.4, True, True), (1.6, False, False)],
)
def test_velocity_needs_neighbours_near_in_time(
    tiny: Path, spacing_s: float, one_sided: bool, central: bool
) -> None:
    times_us: dict[str, int] = {}

    def stretch(rows: Rows) -> None:
        for k, row in enumerate(rows):
            row["timestamp"] = times_us[row["token"]] = round(k * spacing_s * 1e6)

    def follow(rows: Rows) -> None:
        for row in rows:
            row["timestamp"] = times_us[row["sample_token"]]

    edit_table(tiny, "sample", stretch)
    edit_table(tiny, "sample_data", follow)
    tables = NuscenesTables.open(tiny)
    tokens = ["scene0-object0-0", "scene0-object0-2", "scene0-object0-4", "scene0-object1-2"]
    rows = np.array([tables.find("sample_annotation", token) for token in tokens])
    velocity, valid = velocities(tables, rows)
    assert valid.tolist() == [one_sided, central, one_sided, False]
    expected = np.where(valid, 1.5 / spacing_s, 0.0)
    np.testing.assert_allclose(velocity[:, 1], expected, atol=1e-9)
    np.testing.assert_allclose(velocity[:, [0, 2]], 0.0, atol=1e-9)


def test_yaw_rates_by_hand(tiny: Path) -> None:
    """Headings 170°, 180°, -170° and so on, 0.5 s apart; the barrier is seen once."""

    def turn(rows: Rows) -> None:
        for row in rows:
            row["rotation"] = yaw_quaternion(math.radians(170 + 10 * int(row["token"][-1])))

    edit_table(tiny, "sample_annotation", turn)
    tables = NuscenesTables.open(tiny)
    tokens = ["scene0-object0-0", "scene0-object0-1", "scene0-object1-2"]
    rows = np.array([tables.find("sample_annotation", token) for token in tokens])
    expected = [math.radians(20), math.radians(20), 0.0]
    np.testing.assert_allclose(yaw_rates(tables, rows), expected, atol=1e-9)
