"""What is looked at: the frame, the lattice, and what images show there."""

from dataclasses import replace

import pytest
import torch

from mim4d.evaluation import EvaluatedView, spread
from tests.toy import toy_clip, toy_config


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


def test_a_lattice_without_rays_is_refused() -> None:
    assert EvaluatedView.of(toy_config(), stride=64).lattice == (1, 1)
    with pytest.raises(ValueError, match="--stride 65: larger than the images of this run, 64×96"):
        EvaluatedView.of(toy_config(), stride=65)


def test_colours_are_those_of_the_pixel_under_each_ray() -> None:
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    # Cells of 4 pixels: the centre of cell (i, j) lies on the corner of pixel (4 i + 2, 4 j + 2).
    expected = clip.images[0, 1, :, :, 2::4, 2::4].movedim(1, -1) / 255
    torch.testing.assert_close(view.colours(clip), expected)


def test_nothing_is_shown_of_an_absent_image_or_of_the_own_car() -> None:
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    assert view.shown(clip).all()
    present = clip.image_present.clone()
    present[0, 1, 2] = False
    on_body = torch.zeros(1, 3, 64, 96, dtype=torch.bool)
    on_body[0, 1, 40:] = True
    shown = view.shown(replace(clip, image_present=present, on_body=on_body))
    assert shown[0].all()
    assert shown[1, :10].all()
    assert not shown[1, 10:].any()
    assert not shown[2].any()
