"""Augmented clips: what is drawn, and that geometry and pictures still agree."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from mim4d.check.alignment import alignment_offset
from mim4d.data.augment.clip_augmentation import (
    BevRanges,
    ClipAugmentation,
    ClipRequest,
    ColourRanges,
    ImageRanges,
)
from mim4d.data.clip import Clip, collate
from mim4d.data.images.image_draw import ImageDraw
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.data.maps.map_names import MAP_LAYERS
from mim4d.data.maps.map_patch import MapPatch
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.training.sampling import StepKind, StepSampler, StepShape
from tests.data.test_nuscenes import assert_same
from tests.data.tiny_dataset import CAMERAS, Rows, edit_table
from tests.data.tiny_map import tiny_map

EVERYTHING = ClipAugmentation(
    ImageRanges((0.8, 1.4), 0.5),
    ColourRanges(0.2, 0.2, 0.2, 0.3, "camera"),
    BevRanges(math.pi, (0.8, 1.2), 0.5, 0.5),
)
GEOMETRY = replace(EVERYTHING, colours=ColourRanges())


def open_tiny(root: Path, **options: Any) -> NuscenesDataset:
    return NuscenesDataset(root, **{"frames": 3, "image_hw": (32, 64), **options})


# Draws


def test_one_seed_one_change() -> None:
    first, again, other = (EVERYTHING.draw(seed, 4) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert len(set(first.images)) == len(set(first.colours)) == 4


def test_draws_keep_to_their_ranges_and_use_them() -> None:
    changes = [EVERYTHING.draw(seed, 3) for seed in range(300)]
    images = [image for change in changes for image in change.images]
    scales = [image.scale for image in images]
    assert 0.8 <= min(scales) < 0.81
    assert 1.39 < max(scales) <= 1.4
    assert sum(image.flipped for image in images) / len(images) == pytest.approx(0.5, abs=0.08)
    yaws = [change.bev.yaw_rad for change in changes]
    assert -math.pi <= min(yaws) < -3.0
    assert 3.0 < max(yaws) <= math.pi
    assert min(c.bev.scale for c in changes) >= 0.8
    assert max(c.bev.scale for c in changes) <= 1.2
    for flips in ([c.bev.flip_x for c in changes], [c.bev.flip_y for c in changes]):
        assert sum(flips) / len(flips) == pytest.approx(0.5, abs=0.12)
    hues = [colour.hue_rad for change in changes for colour in change.colours]
    assert -0.3 <= min(hues) < -0.29
    assert 0.29 < max(hues) <= 0.3


def test_colours_shared_by_the_clip() -> None:
    ranges = replace(EVERYTHING, colours=replace(EVERYTHING.colours, shared_by="clip"))
    assert len(set(ranges.draw(0, 4).colours)) == 1


def test_one_range_does_not_disturb_another() -> None:
    alone = ClipAugmentation(bev=EVERYTHING.bev).draw(3, 4)
    assert alone.bev == EVERYTHING.draw(3, 4).bev
    assert alone.images == (ImageDraw(),) * 4


def test_crops_take_every_place_and_none_outside() -> None:
    usual = ImagePlacement.fitted((90, 160), (32, 64))
    places = set()
    for seed in range(200):
        (draw,) = ClipAugmentation(ImageRanges((1.2, 1.2))).draw(seed, 1).images
        placement = draw.placement(usual, (90, 160), (32, 64))
        assert placement.scaled_hw((90, 160)) == (38, 68)
        assert placement.picture_hw((90, 160), (32, 64)) == (32, 64)
        places.add((placement.crop_top_px, placement.crop_left_px))
    assert {place[0] for place in places} == set(range(7))
    assert {place[1] for place in places} == set(range(5))


def test_without_a_range_of_scales_images_are_cropped_as_usual() -> None:
    usual = ImagePlacement.fitted((90, 160), (32, 64), "cover")
    assert usual.crop_top_px == 4
    assert ImageDraw().placement(usual, (90, 160), (32, 64)) == usual
    flipped = ImageDraw(flipped=True).placement(usual, (90, 160), (32, 64))
    assert flipped == replace(usual, flipped=True)


# Whole clips


def test_an_index_is_never_augmented_and_no_range_changes_nothing(tiny_original: Path) -> None:
    plain = open_tiny(tiny_original)
    assert_same(open_tiny(tiny_original, augmentation=EVERYTHING)[2], plain[2])
    assert_same(plain[ClipRequest(2, seed=9)], plain[2])


def test_cameras_change_alike_in_every_frame(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original, augmentation=EVERYTHING)[ClipRequest(0, seed=1)]
    assert (clip.intrinsics == clip.intrinsics[:, :1]).all()
    assert (clip.image_sizes == clip.image_sizes[:, :1]).all()
    assert len({tuple(k.flatten().tolist()) for k in clip.intrinsics[0, 0]}) == 3


def test_padding_stays_black(tiny_original: Path) -> None:
    data = open_tiny(tiny_original, augmentation=EVERYTHING)
    for seed in range(5):
        clip = data[ClipRequest(0, seed)]
        for t, n in np.ndindex(3, 3):
            height, width = clip.image_sizes[0, t, n].tolist()
            assert not clip.images[0, t, n, :, height:].any()
            assert not clip.images[0, t, n, :, :, width:].any()


@pytest.mark.slow
def test_loader_processes_change_nothing(tiny_original: Path) -> None:
    data = open_tiny(tiny_original, augmentation=EVERYTHING)
    kinds = [StepKind(StepShape(2))] * 4
    batches = [
        list(
            DataLoader(
                data,
                batch_sampler=StepSampler(len(data), kinds, seed=7),
                collate_fn=collate,
                num_workers=workers,
            )
        )
        for workers in (0, 2)
    ]
    for alone, spread in zip(*batches, strict=True):
        assert_same(alone, spread)
    resumed = StepSampler(len(data), kinds, seed=7, first_step=3)
    last = list(DataLoader(data, batch_sampler=resumed, collate_fn=collate))
    assert_same(last[0], batches[0][3])


# Pictures whose content says where it comes from


def write_position_images(root: Path, channel: str, size_hw: tuple[int, int]) -> None:
    """Images of which red tells the column and green the row, and tables that fit them."""
    height, width = size_hw
    levels = np.zeros((height, width, 3), np.uint8)
    levels[..., 0] = (np.arange(width) + 0.5) / width * 255
    levels[..., 1] = ((np.arange(height) + 0.5) / height * 255)[:, None]
    levels[..., 2] = 128

    def resize(rows: Rows) -> None:
        for row in rows:
            if channel in row["filename"].split("/"):
                row["height"], row["width"] = size_hw
                row["filename"] = row["filename"].replace(".jpg", ".png")
                Image.fromarray(levels).save(root / row["filename"])

    def calibrate(rows: Rows) -> None:
        row = next(row for row in rows if row["sensor_token"] == f"sensor-{channel}")
        row["camera_intrinsic"] = [[180.0, 0, width / 2], [0, 180.0, height / 2], [0, 0, 1]]

    edit_table(root, "sample_data", resize)
    edit_table(root, "calibrated_sensor", calibrate)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.slow
def test_points_are_where_the_augmented_picture_shows_them(tiny: Path, seed: int) -> None:
    """Each visible point's colour is that of its place in the stored image."""
    write_position_images(tiny, "CAM_FRONT", (200, 400))
    data = open_tiny(tiny, augmentation=GEOMETRY, cameras=("CAM_FRONT",), image_hw=(96, 160))
    plain, clip = data[1], data[ClipRequest(1, seed)]
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(4000, 3, generator=generator) - 0.5
    points = points * torch.tensor([0.0, 40.0, 20.0]) + torch.tensor([14.0, 0.0, 1.5])
    # In the stored picture, by its own calibration.
    camera_from_ref = invert_rigid(plain.ref_from_camera[0, 1, 0])
    stored = torch.tensor([[180.0, 0, 200], [0, 180, 100], [0, 0, 1]])
    origin, _ = project(stored, transform_points(camera_from_ref, points))
    # In the augmented one, by what the clip says.
    moved = transform_points(GEOMETRY.draw(seed, 1).bev.new_from_ref.float(), points)
    pixels, inside = seen(clip, 1, 0, moved, margin_px=2)
    assert inside.sum() > 500
    u, v = pixels[inside].floor().long().unbind(-1)
    shown = clip.images[0, 1, 0, :, v, u].float()
    found = torch.stack([shown[0] * 400, shown[1] * 200], dim=-1) / 255
    # 8 bits over 400 columns are 1.6 columns; a pixel of the smaller picture is 2 or 3 stored ones.
    apart = (found - origin[inside]).abs()
    assert apart.max() < 4.5
    assert apart.mean() < 1.3


def seen(
    clip: Clip, t: int, n: int, points_ref: Tensor, margin_px: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Pixels of points in one image, and which lie inside the picture, in front of the camera."""
    camera_from_ref = invert_rigid(clip.ref_from_camera[0, t, n])
    pixels, depth = project(clip.intrinsics[0, t, n], transform_points(camera_from_ref, points_ref))
    limit = clip.image_sizes[0, t, n].flip(-1) - margin_px
    return pixels, (pixels >= margin_px).all(-1) & (pixels < limit).all(-1) & (depth > 0.5)


def test_map_vertices_move_with_the_points(tiny: Path) -> None:
    tiny_map().write(tiny, "nowhere")
    data = open_tiny(tiny, augmentation=GEOMETRY, map_range_m=(200.0, 200.0))
    plain = data[0]
    for seed in range(4):
        clip = data[ClipRequest(0, seed)]
        assert plain.maps is not None
        assert clip.maps is not None
        change = GEOMETRY.draw(seed, 3)
        near = (-20.0, -20.0, 20.0, 20.0)
        before = vertices(plain.maps[0].within((-90.0, -90.0, 90.0, 90.0)))
        after = vertices(clip.maps[0].within(near))
        moved = transform_points(change.bev.new_from_ref.float(), before)
        # Every vertex of the new map is one of the old map, moved, but for those of the new edge.
        own = after[(after[:, :2].abs() < 19.99).all(dim=-1)]
        assert len(own) > 10
        assert torch.cdist(own.double(), moved.double()).amin(dim=1).max() < 1e-3
        old, count = own @ change.bev.linear.float() / change.bev.scale, 0
        for n, camera in enumerate(plain.camera_names):
            _, width, height = CAMERAS[camera]
            pixels, inside = seen(plain, 1, n, old)
            new_pixels, new_inside = seen(clip, 1, n, own)
            expected = mapped(transfer(change.images[n], (height, width), (32, 64)), pixels)
            both = inside & new_inside
            count += int(both.sum())
            torch.testing.assert_close(new_pixels[both], expected[both], atol=1e-2, rtol=0)
        assert count > 0


def vertices(patch: MapPatch) -> Tensor:
    """All vertices of lines and outlines, on the ground."""
    lines = [line for layer in MAP_LAYERS for line in patch.polylines(layer)]
    return torch.nn.functional.pad(torch.cat(lines), (0, 1))


def transfer(draw: ImageDraw, stored_hw: Size, target_hw: Size) -> Tensor:
    """From pixels of the usual picture to those of the augmented one."""
    usual = ImagePlacement.fitted(stored_hw, target_hw)
    new_from_stored = draw.placement(usual, stored_hw, target_hw).target_from_stored(
        stored_hw, target_hw
    )
    return new_from_stored @ torch.linalg.inv(usual.target_from_stored(stored_hw, target_hw))


def mapped(new_from_old: Tensor, pixels: Tensor) -> Tensor:
    return project(new_from_old.float(), torch.nn.functional.pad(pixels, (0, 1), value=1.0))[0]


# Real pictures

REAL_HW = (304, 480)


@pytest.fixture(scope="module")
def real(real_data: Path) -> NuscenesDataset:
    folder = real_data / "real_video"
    return NuscenesDataset(folder, frames=3, image_hw=REAL_HW, augmentation=GEOMETRY)


@pytest.fixture(scope="module")
def real_clip(real: NuscenesDataset) -> Clip:
    return real[0]


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.slow
def test_real_points_and_boxes_keep_their_place_in_the_picture(
    real: NuscenesDataset, real_clip: Clip, seed: int
) -> None:
    """By arithmetic, and by what the pictures show there."""
    clip, change = real[ClipRequest(0, seed)], GEOMETRY.draw(seed, 6)
    differences, shuffled, corners_seen = [], [], 0
    for t, n in np.ndindex(3, 6):
        new_from_old = transfer(change.images[n], (1216, 1936), REAL_HW)
        boxes = [box_corners(c.boxes_ref[0, t][c.valid_boxes[0, t]]) for c in (real_clip, clip)]
        if change.bev.flip_x != change.bev.flip_y:
            boxes[1] = boxes[1].unflatten(1, (2, 2, 2)).flip(2).flatten(1, 3)
        corners = [box.flatten(0, 1) for box in boxes]
        points = [c.points_ref[0, t][c.valid_points[0, t]] for c in (real_clip, clip)]
        pixels, inside = seen(real_clip, t, n, torch.cat([points[0], corners[0]]), 2)
        new_pixels, new_inside = seen(clip, t, n, torch.cat([points[1], corners[1]]), 2)
        both = inside & new_inside
        corners_seen += int(both[len(points[0]) :].sum())
        expected = mapped(new_from_old, pixels[both])
        torch.testing.assert_close(new_pixels[both], expected, atol=0.02, rtol=0)
        old_colour = colours_at(real_clip, t, n, pixels[both])
        new_colour = colours_at(clip, t, n, new_pixels[both])
        differences.append((old_colour - new_colour).abs())
        shuffled.append((old_colour - new_colour.roll(len(new_colour) // 3, 0)).abs())
    assert corners_seen > 50
    right, wrong = torch.cat(differences).mean(), torch.cat(shuffled).mean()
    # Pictures of another size are sampled at other places: equal but for the finest texture.
    assert right < 8
    assert wrong > 3 * right


def colours_at(clip: Clip, t: int, n: int, pixels: Tensor) -> Tensor:
    """Levels between pixel centres, `p 3`."""
    image = clip.images[0, t, n].float()[None]
    size = pixels.new_tensor([image.shape[-1], image.shape[-2]])
    unit = (pixels * 2 / size - 1)[None, None]
    return torch.nn.functional.grid_sample(image, unit, align_corners=False)[0, :, 0].T


@pytest.mark.slow
def test_real_lidar_fits_the_augmented_pictures(real_data: Path) -> None:
    folder = real_data / "real_video"
    ranges = replace(GEOMETRY, images=ImageRanges((0.9, 1.2), 0.5))
    data = NuscenesDataset(folder, frames=3, image_hw=(608, 968), augmentation=ranges)
    clip = data[ClipRequest(0, seed=2)]
    assert (clip.intrinsics[..., 0, 0] < 0).any()
    found = alignment_offset(clip)
    assert found.yaw_deg == pytest.approx(0, abs=0.25)
    assert found.pitch_deg == pytest.approx(0, abs=0.25)
    assert min(found.yaw_contrast, found.pitch_contrast) > 1.1
