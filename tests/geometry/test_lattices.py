import torch

from mim4d.geometry.lattices import cell_centres


def test_centres_of_an_image_by_hand() -> None:
    centres = cell_centres((2, 3))
    assert centres.shape == (2, 3, 2)
    assert centres[0, 0].tolist() == [0.5, 0.5]
    assert centres[1, 2].tolist() == [2.5, 1.5]  # column before row


def test_centres_of_voxels_by_hand() -> None:
    centres = cell_centres((2, 3, 4), dtype=torch.float64)
    assert centres.dtype == torch.float64
    assert centres.shape == (2, 3, 4, 3)
    assert centres[1, 2, 3].tolist() == [3.5, 2.5, 1.5]
    assert cell_centres((3,)).tolist() == [[0.5], [1.5], [2.5]]


def test_the_mean_of_all_centres_is_the_middle() -> None:
    middle = cell_centres((6, 10, 4)).flatten(0, -2).mean(dim=0)
    torch.testing.assert_close(middle, torch.tensor([2.0, 5.0, 3.0]))
