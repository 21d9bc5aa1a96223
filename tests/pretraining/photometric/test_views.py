"""Partners are chosen by what they see, within the clip; masks say what is picture."""

from dataclasses import replace

import torch

from mim4d.data.clip import collate
from mim4d.pretraining.photometric.views import choose_partners, clip_views
from tests.toy import toy_clip


def test_views_know_padding_absence_and_the_car_itself() -> None:
    clip = toy_clip(0, cameras=2)  # 3 frames of 64 × 96
    sizes, present = clip.image_sizes.clone(), clip.image_present.clone()
    sizes[0, 0, 0] = torch.tensor([31, 96])
    present[0, 1, 1] = False
    body = torch.zeros(1, 2, 64, 96, dtype=torch.bool)
    body[0, 1, 60:] = True
    clip = replace(clip, image_sizes=sizes, image_present=present, on_body=body)
    usable = clip_views(clip).rgba[:, 3].bool()
    assert usable[0, :31].all()
    assert not usable[0, 31:].any()
    assert not usable[3].any()  # frame 1, camera 1
    assert usable[5, :60].all()
    assert not usable[5, 60:].any()
    assert torch.equal(clip_views(clip).rgba[2, :3], clip.images[0, 1, 0] / 255)


def test_downscaled_views() -> None:
    clip = toy_clip(0, cameras=1)
    sizes = clip.image_sizes.clone()
    sizes[0, 0, 0] = torch.tensor([31, 96])
    full, half = (
        clip_views(replace(clip, image_sizes=sizes)),
        clip_views(replace(clip, image_sizes=sizes), 2),
    )
    mean = full.rgba[1, :3, :2, :2].mean(dim=(-1, -2))
    torch.testing.assert_close(half.rgba[1, :3, 0, 0], mean)
    # Row 15 is made of rows 30 and 31, of which one is padding.
    assert half.rgba[0, 3, :, 0].tolist() == [1.0] * 15 + [0.0] * 17
    assert half.intrinsics[0, :2].tolist() == (full.intrinsics[0, :2] / 2).tolist()
    assert half.intrinsics[0, 2].tolist() == [0.0, 0.0, 1.0]


def test_partners_of_a_camera_pair() -> None:
    """Cameras ahead and astern: each is compared with itself at the other times, nearest first."""
    clip = toy_clip(0, cameras=2)
    partners = choose_partners(clip_views(clip), clip, 4)
    assert partners.image.tolist() == list(range(6))
    assert partners.exists.sum(dim=1).tolist() == [2] * 6
    assert {tuple(sorted(row[:2])) for row in partners.index.tolist()} == {
        (0, 2),
        (0, 4),
        (2, 4),
        (1, 3),
        (1, 5),
        (3, 5),
    }
    assert partners.same_camera[:, :2].all()
    assert not partners.same_camera[:, 2:].any()


def test_partners_stay_in_their_clip_and_exist() -> None:
    clip = collate([toy_clip(0), toy_clip(1)])
    present = clip.image_present.clone()
    present[1, 0, 2] = False  # image 9 + 2
    clip = replace(clip, image_present=present)
    partners = choose_partners(clip_views(clip), clip, 5)
    assert torch.equal(partners.index // 9, (torch.arange(18) // 9).unsqueeze(1).expand(-1, 5))
    assert (partners.index != torch.arange(18).unsqueeze(1)).all()
    assert not partners.exists[11].any()
    assert not (partners.exists & (partners.index == 11)).any()


def test_overlapping_cameras_of_one_frame_are_partners() -> None:
    clip = toy_clip(0, frames=1, cameras=6)
    partners = choose_partners(clip_views(clip), clip, 2)
    assert partners.exists.all()
    for camera, row in enumerate(partners.index.tolist()):
        assert set(row) == {(camera - 1) % 6, (camera + 1) % 6}


def test_fewer_images_than_sources() -> None:
    clip = toy_clip(0, frames=2, cameras=1)
    assert choose_partners(clip_views(clip), clip, 9).index.tolist() == [[1, 0], [0, 1]]
