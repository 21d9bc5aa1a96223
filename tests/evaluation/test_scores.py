"""From predictions and truth to the numbers of a row: hand numbers for each aggregate."""

import math

import pytest
import torch
from torch import Tensor

from mim4d.evaluation.scores import RowScores
from mim4d.evaluation.truth import FrameTruth

NAN = math.nan
CAMERAS = ("FRONT", "BACK")


def truth(distances: list[list[float]], moving: list[list[bool]]) -> FrameTruth:
    """Two cameras of one row of four pixels."""
    d = torch.tensor(distances).unsqueeze(1)
    shown = torch.ones(d.shape, dtype=torch.bool)
    colours, on_road = torch.zeros(*d.shape, 3), d < 5.0
    return FrameTruth(d, torch.tensor(moving).unsqueeze(1), on_road, colours, shown, None)


def predicted(distances: list[list[float]]) -> Tensor:
    return torch.tensor(distances).unsqueeze(1)


@pytest.fixture
def scores() -> RowScores:
    """Two clips; relative errors 1, 1, 0, 0 and 0.5 in the front camera, 0.25 in the back."""
    scores = RowScores()
    still = [[False] * 4] * 2
    moving = [[True, True, False, True], [False] * 4]
    first = truth([[2.0, 4.0, 8.0, 10.0], [NAN] * 4], moving)
    scores.add_distances(predicted([[4.0, 8.0, 8.0, 10.0], [9.0] * 4]), first, CAMERAS)
    second = truth([[20.0, NAN, NAN, NAN], [4.0, NAN, NAN, NAN]], still)
    scores.add_distances(predicted([[30.0, 1, 1, 1], [5.0, 1, 1, 1]]), second, CAMERAS)
    return scores


def test_every_aggregate_by_hand(scores: RowScores) -> None:
    row = scores.row()
    assert row is not None
    everywhere = row.metric.everywhere
    # Images: front 0.5 of four pixels and 0.5 of one, back 0.25 of one.
    assert everywhere.over_pixels.abs_rel == pytest.approx((2 + 0.5 + 0.25) / 6)
    assert everywhere.mean_over_images.abs_rel == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert everywhere.mean_over_pixels_of_images.abs_rel == pytest.approx(2.75 / 6)
    assert set(everywhere.per_camera) == set(CAMERAS)
    assert everywhere.per_camera["FRONT"].abs_rel == pytest.approx(0.5)
    assert everywhere.mean_over_cameras.abs_rel == pytest.approx((0.5 + 0.25) / 2)
    # Squares 4, 16, 0, 0; 100; 1.
    assert everywhere.over_pixels.rmse == pytest.approx(math.sqrt(121 / 6))
    assert everywhere.mean_over_images.rmse == pytest.approx((math.sqrt(5) + 10 + 1) / 3)
    weighted = (4 * math.sqrt(5) + 10 + 1) / 6
    assert everywhere.mean_over_pixels_of_images.rmse == pytest.approx(weighted)
    assert everywhere.over_pixels.num_pixels == 6
    assert row.abs_rel == everywhere.over_pixels.abs_rel
    assert row.errors.delta_1 == pytest.approx(2 / 6)  # 5 / 4 is not below 1.25


def test_every_image_is_scaled_by_its_own_medians(scores: RowScores) -> None:
    row = scores.row()
    assert row is not None
    # First image: medians 6 of 2, 4, 8, 10 and 8 of 4, 8, 8, 10: times 3/4 gives 3, 6, 6, 7.5.
    # Images of one pixel have no error left.
    errors = [1 / 2, 2 / 4, 2 / 8, 2.5 / 10]
    assert row.median_scaled.everywhere.over_pixels.abs_rel == pytest.approx(sum(errors) / 6)
    assert row.median_scaled.moving is not None
    assert row.median_scaled.moving.abs_rel == pytest.approx((0.5 + 0.5 + 0.25) / 3)


def test_what_moves_and_ranges_are_parts_of_the_pixels(scores: RowScores) -> None:
    row = scores.row()
    assert row is not None
    assert row.metric.moving is not None
    assert row.metric.moving.num_pixels == 3
    assert row.metric.moving.abs_rel == pytest.approx(2 / 3)
    ranges = row.metric.by_range
    found = {name: each.abs_rel for name, each in ranges.items() if each is not None}
    assert found == pytest.approx({"1-5": (1 + 1 + 0.25) / 3, "5-15": 0.0, "15-60": 0.5})
    assert sum(each.num_pixels for each in ranges.values() if each is not None) == 6


def test_road_and_obstacles_share_the_pixels(scores: RowScores) -> None:
    """Below 5 m is road here: 2, 4 and 4 m, predicted 4, 8 and 5; the others are obstacles."""
    row = scores.row()
    assert row is not None
    road, obstacles = row.metric.road, row.metric.obstacles
    assert road is not None
    assert obstacles is not None
    assert (road.num_pixels, obstacles.num_pixels) == (3, 3)
    assert road.abs_rel == pytest.approx((1 + 1 + 0.25) / 3)
    assert road.log_bias == pytest.approx((2 * math.log(2) + math.log(1.25)) / 3)
    assert obstacles.abs_rel == pytest.approx(0.5 / 3)
    assert obstacles.log_bias == pytest.approx(math.log(1.5) / 3)


def test_nothing_to_measure_gives_no_row() -> None:
    scores = RowScores()
    assert scores.row() is None
    scores.add_distances(predicted([[1.0]]), truth([[NAN]], [[False]]), ("FRONT",))
    assert scores.row() is None


def test_colours_are_means_over_images_that_have_any() -> None:
    scores = RowScores()
    shown = torch.tensor([True, True, False]).view(3, 1, 1).expand(3, 12, 12)
    d, still = torch.full((3, 12, 12), 2.0), torch.zeros(3, 12, 12, dtype=torch.bool)
    frame = FrameTruth(d, still, still, torch.zeros(3, 12, 12, 3), shown, None)
    drawn = torch.zeros(3, 12, 12, 3)
    drawn[0], drawn[1] = 0.1, 0.01  # 20 dB and 40 dB
    scores.add_colours(drawn, frame)
    scores.add_distances(d, frame, ("LEFT", "FRONT", "RIGHT"))
    row = scores.row()
    assert row is not None
    assert row.psnr_db == pytest.approx(30.0, abs=1e-4)
    # Of constants m and 0: C1 / (m² + C1), with C1 = 0.01².
    assert row.ssim == pytest.approx((1e-4 / 1.01e-2 + 1e-4 / 2e-4) / 2, rel=1e-5)


def test_beams_add_up_over_clips() -> None:
    scores = RowScores()
    scores.add_distances(predicted([[2.0]]), truth([[2.0]], [[False]]), ("FRONT",))
    for hits in (1, 2):
        scores.add_beams({0.4: torch.tensor([hits, 1, 0, 10, 20])})
    row = scores.row()
    assert row is not None
    (found,) = row.occupancy
    assert (found.hit, found.early, found.late, found.free) == (3 / 5, 2 / 5, 0.0, 0.5)
    assert (found.num_beams, found.num_free) == (5, 40)
