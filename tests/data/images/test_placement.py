import pytest
import torch
from torch import Tensor

from mim4d.data.images.placement import ImagePlacement


def mapped(matrix: Tensor, u: float, v: float) -> list[float]:
    point: list[float] = (matrix @ torch.tensor([u, v, 1.0], dtype=torch.float64)).tolist()
    assert point[2] == 1.0
    return point[:2]


def test_a_fitted_image_shows_everything_and_pads_at_the_right() -> None:
    placement = ImagePlacement.fitted((900, 1600), (256, 704))
    assert placement.picture_hw((900, 1600), (256, 704)) == (256, 455)
    assert placement.shown_box((900, 1600), (256, 704)) == (0, 0, 1600, 900)
    matrix = placement.target_from_stored((900, 1600), (256, 704))
    # 1600 · 256/900 is 455.1: the factor along u is that of whole pixels.
    assert mapped(matrix, 1600, 900) == pytest.approx([455, 256], abs=1e-9)
    assert mapped(matrix, 0, 0) == [0, 0]


def test_hand_numbers_of_scale_and_crop() -> None:
    placement = ImagePlacement(0.5, crop_left_px=10, crop_top_px=20)
    assert placement.scaled_hw((100, 200)) == (50, 100)
    assert placement.picture_hw((100, 200), (32, 64)) == (30, 64)
    assert placement.shown_box((100, 200), (32, 64)) == (20, 40, 148, 100)
    matrix = placement.target_from_stored((100, 200), (32, 64))
    assert mapped(matrix, 20, 40) == [0, 0]
    assert mapped(matrix, 148, 100) == [64, 30]


def test_a_mirrored_picture_still_begins_at_the_corner() -> None:
    placement = ImagePlacement(0.5, crop_left_px=10, flipped=True)
    # 100 columns minus the crop is narrower than the target: the picture has 90.
    assert placement.picture_hw((100, 200), (32, 128)) == (32, 90)
    matrix = placement.target_from_stored((100, 200), (32, 128))
    assert mapped(matrix, 20, 0) == [90, 0]
    assert mapped(matrix, 200, 64) == [0, 32]
    intrinsics = torch.tensor([[80.0, 0, 100], [0, 80, 50], [0, 0, 1]], dtype=torch.float64)
    expected = torch.tensor([[-40.0, 0, 50], [0, 40, 25], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix @ intrinsics, expected, rtol=0, atol=0)


def test_the_shown_box_is_what_the_matrix_puts_on_the_picture() -> None:
    placement = ImagePlacement(0.37, crop_left_px=41, crop_top_px=13, flipped=True)
    stored, target = (271, 533), (64, 96)
    left, top, right, bottom = placement.shown_box(stored, target)
    height, width = placement.picture_hw(stored, target)
    matrix = placement.target_from_stored(stored, target)
    assert mapped(matrix, left, top) == pytest.approx([width, 0], abs=1e-9)
    assert mapped(matrix, right, bottom) == pytest.approx([0, height], abs=1e-9)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_senseless_scale_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="expected a positive number"):
        ImagePlacement(scale)


def test_a_senseless_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        ImagePlacement(1.0, crop_left_px=-1)
    with pytest.raises(ValueError, match="nothing left after a crop of 60 rows"):
        ImagePlacement(0.5, crop_top_px=60).picture_hw((100, 200), (32, 64))
