"""Nearest points by cell: a handful of points whose cells one can name."""

import torch

from mim4d.geometry.depth_map import nearest_points

INTRINSICS = torch.tensor([[[10.0, 0.0, 20.0], [0.0, 10.0, 10.0], [0.0, 0.0, 1.0]]])
EXTENT = torch.tensor([[20.0, 40.0]])


def _maps(
    points: list[list[float]], usable: list[bool] | None = None, central_share: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    valid = torch.tensor([usable or [True] * len(points)])
    return nearest_points(torch.tensor([points]), valid, INTRINSICS, EXTENT, (2, 4), central_share)


def test_the_nearest_point_of_a_cell_wins() -> None:
    # Both fall on pixel (25, 15): cell (1, 2). The farther one is listed last.
    depth, distance, found = _maps([[1.0, 1.0, 2.0], [2.5, 2.5, 5.0]])
    assert found.sum() == 1
    assert found[0, 1, 2]
    assert depth[0, 1, 2] == 2.0
    torch.testing.assert_close(distance[0, 1, 2], torch.tensor(6.0).sqrt())
    assert depth.sum() == 2.0


def test_points_behind_outside_or_unusable_leave_no_mark() -> None:
    points = [[1.0, 1.0, -2.0], [9.0, 0.0, 2.0], [0.0, 9.0, 2.0], [1.0, 1.0, 2.0]]
    depth, distance, found = _maps(points, [True, True, True, False])
    assert not found.any()
    assert not depth.any()
    assert not distance.any()


def test_a_point_on_the_far_border_and_one_that_is_no_number_leave_no_mark() -> None:
    # Pixels (40, 10) and (20, 20) lie on the right and the lower border of 40 × 20 pixels.
    border = [[4.0, 0.0, 2.0], [0.0, 2.0, 2.0], [float("nan"), 0.0, 2.0]]
    assert not _maps(border)[2].any()


def test_no_points_are_an_empty_map() -> None:
    none = torch.zeros(1, 0, 3)
    depth, _, found = nearest_points(none, none[..., 0] > 0, INTRINSICS, EXTENT, (2, 4))
    assert depth.shape == (1, 2, 4)
    assert not found.any()


def test_only_the_middle_of_a_cell_counts_if_asked() -> None:
    # Pixel (25, 15) is the cell's centre, pixel (28, 15) lies 3 of its 5 half-pixels away.
    centre, aside = [1.0, 1.0, 2.0], [1.6, 1.0, 2.0]
    assert _maps([centre], central_share=0.5)[2].sum() == 1
    assert _maps([aside], central_share=0.5)[2].sum() == 0
    assert _maps([aside], central_share=1.0)[2].sum() == 1
