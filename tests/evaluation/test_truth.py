"""What is true of the evaluated frame: which distances count, and what moves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.data.frame_sweep import FrameSweep
from mim4d.data.images.image_fit import Fit
from mim4d.data.images.placement import ImagePlacement
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.truth.exact import FOLDER
from mim4d.evaluation import EvaluatedView, TruthReader
from mim4d.evaluation.flow.truth import inside_boxes
from mim4d.evaluation.truth import lidar_distance, moving_returns
from tests.data.tiny_dataset import write_tiny_dataset
from tests.evaluation.exact import NUMBERS, write_exact_truth
from tests.toy import toy_clip, toy_config


def test_lidar_distance_is_that_of_the_nearest_point_in_the_cell() -> None:
    """Cell by cell against a loop over the points."""
    clip = toy_clip(0)
    view = EvaluatedView.of(toy_config(), stride=4)
    found = lidar_distance(FrameSweep(clip.points_ref[0, 1], torch.zeros(3)), clip, view)
    expected = torch.zeros(3, 16, 24)
    for n in range(3):
        camera_from_ref = torch.linalg.inv(clip.ref_from_camera[0, 1, n])
        for point in clip.points_ref[0, 1]:
            x, y, z = (camera_from_ref[:3, :3] @ point + camera_from_ref[:3, 3]).tolist()
            if z <= 0:
                continue
            # Focal length 57.6 px, centre (48, 32); cells of 4 px.
            u, v = (57.6 * x / z + 48) / 4, (57.6 * y / z + 32) / 4
            if 0 <= u < 24 and 0 <= v < 16:
                distance = (x * x + y * y + z * z) ** 0.5
                before = float(expected[n, int(v), int(u)])
                expected[n, int(v), int(u)] = min(distance, before or distance)
    assert (expected > 0).sum() > 20
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_no_truth_counts_on_the_car_itself(tmp_path: Path) -> None:
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    root = write_tiny_dataset(tmp_path / "data")  # without exact distances
    dataset = NuscenesDataset(root, frames=3, image_hw=(64, 96), cache_dir=tmp_path / "cache")
    on_body = torch.zeros(1, 3, 64, 96, dtype=torch.bool)
    on_body[0, 1, 40:] = True
    sweep, reader = FrameSweep(clip.points_ref[0, 1], torch.zeros(3)), TruthReader(dataset, view)
    clips = (clip, replace(clip, on_body=on_body))
    plain, masked = (reader.distances(0, each, sweep) for each in clips)
    assert not plain[1, 10:].isnan().all()
    assert masked[1, 10:].isnan().all()
    masked[1, 10:] = plain[1, 10:]
    torch.testing.assert_close(masked, plain, equal_nan=True)


@pytest.mark.parametrize("fit", ["inside", "cover"])
def test_the_truth_of_a_ray_is_that_of_its_stored_pixel(tmp_path: Path, fit: Fit) -> None:
    """Exact distances that tell the column, on pictures that are cropped or not."""
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    hw, stored_hw = (64, 96), (41, 65)
    dataset = NuscenesDataset(root, frames=3, image_hw=hw, fit=fit, cache_dir=tmp_path / "cache")
    clip, view = dataset[0], EvaluatedView.of(toy_config(), stride=4)
    file = dataset.image_files(0)[view.frame][0]
    assert file is not None
    path = (root / FOLDER / file).with_suffix(".png")
    path.parent.mkdir(parents=True)
    rows, columns = np.indices(stored_hw)
    Image.fromarray(((5 + 0.125 * columns + 0.0625 * rows) * 256).astype(np.uint16)).save(path)
    truth = TruthReader(dataset, view).distances(0, clip)[0]
    target_from_stored = ImagePlacement.fitted(stored_hw, hw, fit).target_from_stored(stored_hw, hw)
    height, width = clip.image_sizes[0, view.frame, 0].tolist()
    assert (height, width) == ((61, 96) if fit == "inside" else (64, 96))
    for i, j in np.ndindex(16, 24):
        u, v = (j + 0.5) / 24 * width, (i + 0.5) / 16 * height
        stored = torch.linalg.inv(target_from_stored) @ torch.tensor([u, v, 1], dtype=torch.float64)
        expected = 5 + 0.125 * int(stored[0]) + 0.0625 * int(stored[1])
        assert truth[i, j].isnan() or truth[i, j] == expected
    assert truth.isfinite().sum() > 200


def test_lidar_is_read_for_evaluation_only(tmp_path: Path) -> None:
    """Frames keep the camera's time; the sweep is placed by its own pose."""
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    view = EvaluatedView.of(toy_config(), stride=4)
    options: dict[str, Any] = {
        "frames": 3,
        "key": 1,
        "image_hw": (64, 96),
        "cache_dir": tmp_path / "cache",
    }
    with_lidar = TruthReader(NuscenesDataset(root, **options), view)
    without = TruthReader(NuscenesDataset(root, lidar=None, **options), view)
    assert with_lidar.name == without.name == "LiDAR"
    clip = without.dataset[0]
    assert clip.points_ref.shape[2] == 0
    truth = without.read(0, clip)
    assert truth.sweep is not None
    expected = with_lidar.dataset[0].points_ref[0, 1]
    # The camera's image is 20 ms earlier: at 2 m/s its `ref` is 4 cm behind that of the LiDAR.
    shift = torch.tensor([0.04, 0.0, 0.0])
    torch.testing.assert_close(truth.sweep.points_ref, expected + shift, rtol=0, atol=2e-4)
    torch.testing.assert_close(truth.sweep.origin_ref, torch.tensor([1.04, 0.0, 1.8]))
    assert truth.distances_m.isfinite().any()


def test_a_data_set_without_any_truth_is_refused(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    dataset = NuscenesDataset(
        root, frames=3, image_hw=(64, 96), lidar=None, cache_dir=tmp_path / "cache"
    )
    view = EvaluatedView.of(toy_config(), stride=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(dataset.tables), "channels", lambda self, modality: ())
        with pytest.raises(ValueError, match="neither exact distances nor a LiDAR"):
            TruthReader(dataset, view)


BOX = [10.0, 2.0, 1.0, 4.0, 2.0, 1.5, 0.5, 3.0, 0.0]
"""4 m long, 2 m wide, 1.5 m high, turned by half a radian, 3 m/s fast."""


def test_inside_boxes_by_hand() -> None:
    along, across = torch.tensor([0.87758, 0.47943, 0.0]), torch.tensor([-0.47943, 0.87758, 0.0])
    centre, up = torch.tensor(BOX[:3]), torch.tensor([0.0, 0.0, 1.0])
    points = [centre + 1.99 * along + 0.99 * across, centre - 2.01 * along, centre + 1.01 * across]
    points += [centre - 0.74 * up, centre + 0.76 * up, centre - torch.tensor([1.9, 0.9, 0.0])]
    found = inside_boxes(torch.stack(points), torch.tensor([BOX]))[:, 0]
    assert found.tolist() == [True, False, False, True, False, False]


@pytest.mark.parametrize(
    ("speed", "known", "moves"), [(3.0, True, 1), (0.4, True, 0), (3, False, 0)]
)
def test_what_moves_is_in_a_box_that_moves(speed: float, known: bool, moves: int) -> None:
    """Two returns seen by the front camera: one in the box, one beside it."""
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    box = torch.tensor(BOX)
    box[7] = speed
    valid = torch.ones(1, 3, 1, dtype=torch.bool)
    clip = replace(
        clip,
        boxes_ref=box.expand(1, 3, 1, 9),
        valid_boxes=valid,
        valid_velocities=valid if known else ~valid,
        box_classes=torch.zeros(1, 3, 1, dtype=torch.long),
        box_lidar_points=torch.zeros(1, 3, 1, dtype=torch.long),
        box_visibility=torch.zeros(1, 3, 1, dtype=torch.long),
    )
    points = torch.tensor([[9.5, 1.5, 1.2], [9.5, -2.0, 1.2]])
    sweep = FrameSweep(points, torch.zeros(3))
    assert (lidar_distance(sweep, clip, view) > 0).sum() == 2
    assert moving_returns(sweep, clip, view).sum() == moves
    # Something nearer in the same cell hides what moves.
    hidden = FrameSweep(
        torch.cat([points, points * 0.5 + torch.tensor([0.25, 0, 0.75])]), points[0]
    )
    assert moving_returns(hidden, clip, view).sum() == 0
    assert not moving_returns(None, clip, view).any()


def test_exact_flow_says_what_moves(tmp_path: Path) -> None:
    """Columns of the image show nothing, a house, a car at 3 m/s and one that turns on the spot."""
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    dataset = NuscenesDataset(
        root, frames=3, key=1, image_hw=(64, 96), cache_dir=tmp_path / "cache"
    )
    view = EvaluatedView.of(toy_config(), stride=4)
    write_exact_truth(root, dataset, view.frame)
    reader = TruthReader(dataset, view)
    assert reader.moving_name == "exact scene flow"
    moving = reader.read(0, dataset[0]).moving[0]
    column = ((torch.arange(24) + 0.5) / 24 * 65).long()
    shows = torch.from_numpy(NUMBERS)[column]
    assert torch.equal(moving, ((shows == 2) | (shows == 3)).expand(16, 24))
