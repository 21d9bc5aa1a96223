"""Evaluation: what counts, the baselines, and what is measured with a perfect prediction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d import evaluation
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.placement import Fit, ImagePlacement
from mim4d.data.truth import FOLDER
from mim4d.evaluation import EvaluatedView, Evaluation, lidar_distance, predict_frame, spread
from mim4d.metrics.distance import DistanceErrors
from tests.data.tiny_dataset import write_tiny_dataset
from tests.toy import toy_clip, toy_config, toy_model


def test_spread_is_even_and_within_bounds() -> None:
    assert spread(5, None) == [0, 1, 2, 3, 4]
    assert spread(5, 9) == [0, 1, 2, 3, 4]
    assert spread(9, 3) == [1, 4, 7]


def test_the_view_looks_at_the_frame_that_training_drops() -> None:
    view = EvaluatedView.of(toy_config(frames=5), stride=4)
    assert view.frame == 2
    assert view.lattice == (16, 24)


def test_the_view_looks_at_the_key_frame_if_that_is_dropped() -> None:
    config = toy_config(frames=5)
    config = replace(config, mask=replace(config.mask, dropped_frame="key"))
    config = replace(config, clip=replace(config.clip, key=-1))
    assert EvaluatedView.of(config, stride=4).frame == 4


def test_lidar_distance_is_that_of_the_nearest_point_in_the_cell() -> None:
    """Cell by cell against a loop over the points."""
    clip = toy_clip(0)
    found = lidar_distance(clip, 1, (16, 24))
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
    plain, masked = (view.truth(dataset, 0, c) for c in (clip, replace(clip, on_body=on_body)))
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
    truth = view.truth(dataset, 0, clip)[0]
    target_from_stored = ImagePlacement.fitted(stored_hw, hw, fit).target_from_stored(stored_hw, hw)
    height, width = clip.image_sizes[0, view.frame, 0].tolist()
    assert (height, width) == ((61, 96) if fit == "inside" else (64, 96))
    for i, j in np.ndindex(16, 24):
        u, v = (j + 0.5) / 24 * width, (i + 0.5) / 16 * height
        stored = torch.linalg.inv(target_from_stored) @ torch.tensor([u, v, 1], dtype=torch.float64)
        expected = 5 + 0.125 * int(stored[0]) + 0.0625 * int(stored[1])
        assert truth[i, j].isnan() or truth[i, j] == expected
    assert truth.isfinite().sum() > 200


def test_both_volumes_are_rendered_for_every_camera() -> None:
    config = toy_config()
    model = toy_model(config).eval()
    view = EvaluatedView.of(config, stride=8)
    prediction = predict_frame(model, toy_clip(1), view)
    for colours in (prediction.direct_colours, prediction.rebuilt_colours):
        assert colours.shape == (3, 8, 12, 3)
    for distance in (prediction.direct_m, prediction.rebuilt_m):
        assert distance.shape == (3, 8, 12)
        assert (distance > 0).all()
    assert not torch.equal(prediction.direct_m, prediction.rebuilt_m)


def _errors(abs_rel: float) -> DistanceErrors:
    return DistanceErrors(abs_rel, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7)


def test_the_table_compares_with_the_best_row_that_needs_no_training(tmp_path: Path) -> None:
    rows = {"pixel_median": _errors(0.4), "untrained": _errors(0.5), "direct": _errors(0.1)}
    table = Evaluation(rows, "exact distance", ["a"], 3, held_out=True)
    assert table.baseline == pytest.approx(0.4)
    assert "0.25" in table.table()
    table.save(tmp_path / "evaluation.json")
    assert '"baseline": 0.4' in (tmp_path / "evaluation.json").read_text()


def test_training_scenes_are_called_by_their_name() -> None:
    table = Evaluation({"direct": _errors(0.1)}, "LiDAR", ["a"], 1, held_out=False).table()
    assert "TRAINING" in table


def test_pixel_constants_by_hand() -> None:
    """The constants themselves: mean and median over scenes, camera by camera, without NaN."""
    truths = [torch.full((1, 1, 2), value) for value in (2.0, 2.0, 20.0)]
    seen = torch.stack(truths)
    seen[0, 0, 0, 1] = torch.nan
    by_pixel = evaluation.pixel_constants(seen)
    assert by_pixel["pixel_mean"][0, 0].tolist() == [8.0, 11.0]
    assert by_pixel["pixel_median"][0, 0].tolist() == [2.0, 2.0]
    seen[:, 0, 0, 1] = torch.nan
    assert evaluation.pixel_constants(seen)["pixel_mean"][0, 0].tolist() == [8.0, 8.0]
