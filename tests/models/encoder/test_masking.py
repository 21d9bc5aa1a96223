import pytest
import torch

from mim4d.models.encoder.masking import draw_patch_mask, enlarge_mask, hide_padding, patch_size_px


def test_every_image_has_the_published_number_of_visible_cells(seed: torch.Generator) -> None:
    visible = draw_patch_mask((2, 3, 6), (15, 25), 0.3, seed)
    assert visible.shape == (2, 3, 6, 15, 25)
    # 375 cells, 30 % hidden: Python rounds 262.5 to the even 262.
    assert (visible.sum(dim=(-2, -1)) == 262).all()


def test_images_are_drawn_independently_and_every_cell_is_hidden_sometimes(
    seed: torch.Generator,
) -> None:
    visible = draw_patch_mask((400,), (4, 6), 0.25, seed)
    assert len(torch.unique(visible.flatten(1), dim=0)) > 390
    share = visible.float().mean(dim=0)
    # 400 draws with p = 0.75: six standard deviations are 0.13.
    assert ((share - 0.75).abs() < 0.13).all()


def test_the_generator_decides() -> None:
    first, again, other = (
        draw_patch_mask((5,), (4, 6), 0.5, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_two_draws_of_one_are_one_draw_of_two() -> None:
    two = draw_patch_mask((2,), (7, 9), 0.3, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    ones = [draw_patch_mask((1,), (7, 9), 0.3, generator) for _ in range(2)]
    assert torch.equal(two, torch.cat(ones))


def test_ratio_zero_shows_everything() -> None:
    assert draw_patch_mask((2,), (3, 5), 0.0).all()


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 0.99])
def test_a_ratio_that_hides_everything_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"mask_ratio.*2 x 3 cells"):
        draw_patch_mask((1,), (2, 3), ratio)


def test_padding_is_hidden_and_partly_padded_cells_stay() -> None:
    visible = torch.ones(1, 1, 3, 2, 3, dtype=torch.bool)
    visible[0, 0, 0, 0, 0] = False
    # A whole picture; one that ends a pixel into the second row and column; a missing image.
    sizes = torch.tensor([[64, 96], [33, 33], [0, 0]]).reshape(1, 1, 3, 2)
    hidden = hide_padding(visible, sizes, 32)
    assert hidden[0, 0, 0].int().tolist() == [[0, 1, 1], [1, 1, 1]]
    assert hidden[0, 0, 1].int().tolist() == [[1, 1, 0], [1, 1, 0]]
    assert not hidden[0, 0, 2].any()
    exact = torch.tensor([[32, 64]]).reshape(1, 1, 1, 2)
    assert hide_padding(visible[:, :, 1:2], exact, 32)[0, 0, 0].int().tolist() == [
        [1, 1, 0],
        [0, 0, 0],
    ]


def test_enlarging_repeats_cells() -> None:
    visible = torch.tensor([[[True, False]], [[False, True]]])
    assert enlarge_mask(visible, 2).int().tolist() == [
        [[1, 1, 0, 0], [1, 1, 0, 0]],
        [[0, 0, 1, 1], [0, 0, 1, 1]],
    ]
    assert torch.equal(enlarge_mask(visible, 1), visible)


def test_patch_size_of_a_mask() -> None:
    assert patch_size_px((4, 3, 64, 96), (4, 2, 3), 32) == 32
    assert patch_size_px((4, 3, 64, 96), (4, 4, 6), 16) == 16


@pytest.mark.parametrize(
    ("mask_shape", "message"),
    [
        ((1, 2, 3), "one mask per image, got 1 masks for 4 images"),
        ((4, 3, 3), "3 x 3 cells do not cut an image of 64 x 96"),
        ((4, 2, 2), "squares"),
        ((4, 4, 6), "16 pixels are no multiple of the encoder's stride 32"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask_shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        patch_size_px((4, 3, 64, 96), mask_shape, 32)
