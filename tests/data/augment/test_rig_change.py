"""Cameras that are absent or turned: what is known of a clip still fits its pictures."""

import math
from dataclasses import replace

import pytest
import torch

from mim4d.config.augment import AugmentConfig
from mim4d.data.augment.clip_augmentation import ClipAugmentation
from mim4d.data.augment.rig_change import RigChange, RigRanges
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from tests.toy import toy_clip


@pytest.fixture
def clip():
    return toy_clip(0)


def test_a_lit_point_stays_where_it_is_projected(clip):
    """A spot of light at a point's pixel is, after the turn, where the point is projected then."""
    t, n, (rows, columns) = 0, 1, clip.image_sizes[0, 0, 1].tolist()
    pixel = torch.tensor([columns * 0.45, rows * 0.4]).floor() + 0.5
    ray = torch.linalg.inv(clip.intrinsics[0, t, n]) @ torch.tensor([*pixel, 1.0])
    point_ref = transform_points(clip.ref_from_camera[0, t, n], 12.0 * ray[None])
    images = clip.images.clone()
    images[0, t, n] = 0
    v, u = (int(x) for x in pixel.flip(0))
    images[0, t, n, :, v - 1 : v + 2, u - 1 : u + 2] = 255
    turns = ((0.0, 0.0, 0.0), (0.05, -0.08, 0.03), *[(0.0, 0.0, 0.0)] * (clip.num_cameras - 2))
    turned = RigChange(turns_rad=turns).apply(replace(clip, images=images))
    camera_from_ref = invert_rigid(turned.ref_from_camera[0, t, n])
    points = transform_points(camera_from_ref, point_ref)
    expected, _ = project(turned.intrinsics[0, t, n], points)
    assert (expected[0] - pixel).norm() > 1.0
    light = turned.images[0, t, n, 0].double()
    places = torch.stack(torch.meshgrid(*map(torch.arange, light.shape), indexing="ij"))
    found = (light * (places + 0.5)).sum(dim=(1, 2)) / light.sum()
    torch.testing.assert_close(found.flip(0), expected[0].double(), atol=0.3, rtol=0)
    # What it sees beyond its old picture is covered.
    assert turned.on_body is not None
    assert turned.on_body[0, n].any()
    assert (
        turned.images[0, t, n, :, :rows, :columns][:, turned.on_body[0, n, :rows, :columns]] == 0
    ).all()
    torch.testing.assert_close(turned.ref_from_camera[0, t, 0], clip.ref_from_camera[0, t, 0])


def test_absent_cameras_are_as_the_reader_gives_them(clip):
    present = (True, *[False] * (clip.num_cameras - 1))
    left = RigChange(present=present).apply(clip)
    assert left.image_present[0, :, 0].equal(clip.image_present[0, :, 0])
    assert not left.image_present[0, :, 1:].any()
    assert not left.images[0, :, 1:].any()
    assert not left.image_sizes[0, :, 1:].any()
    torch.testing.assert_close(left.ref_from_camera[0, 0, 1], torch.eye(4))


def test_one_camera_always_stays_and_shares_are_kept():
    ranges = RigRanges(drop_probability=0.3, turn_rad=math.radians(5))
    shares = torch.rand(2000, 3, 4, generator=torch.Generator().manual_seed(0))
    changes = [ranges.draw(row.double()) for row in shares]
    present = torch.tensor([change.present or (True,) * 3 for change in changes])
    assert present.any(dim=1).all()
    assert present.double().mean() == pytest.approx(0.7 + 0.3**3 / 3, abs=0.02)
    turns = torch.tensor([change.turns_rad for change in changes]).abs().amax()
    assert math.radians(4.9) < turns <= math.radians(5)
    nothing = RigRanges().draw(shares[0].double())
    assert nothing == RigChange()
    assert all(any(RigRanges(1.0).draw(row.double()).present) for row in shares[:50])


def test_other_draws_stay_what_they_were():
    """Switching the rig's changes on changes nothing else that is drawn."""
    plain = ClipAugmentation().draw(3, 4)
    both = ClipAugmentation(rig=RigRanges(0.5, 0.1)).draw(3, 4)
    assert both.images == plain.images
    assert both.bev == plain.bev
    assert both.rig != plain.rig


@pytest.mark.parametrize("values", [{"camera_drop": 1.5}, {"camera_turn_deg": 40.0}])
def test_ranges_that_make_no_sense(values):
    with pytest.raises(ValueError, match=r"augment\.camera"):
        AugmentConfig(**values)
