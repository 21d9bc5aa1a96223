"""A turned, scaled or mirrored world is seen in the same pixels, and all its poses stay poses."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.data.augment.bev_transform import BevTransform
from mim4d.data.clip import Clip, ego_from_camera
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.lifting.lookup import lift, project_voxels
from tests.toy import toy_clip

TRANSFORMS = [
    BevTransform(yaw_rad=0.7),
    BevTransform(scale=1.3),
    BevTransform(flip_x=True),
    BevTransform(flip_y=True),
    BevTransform(flip_x=True, flip_y=True),
    BevTransform(yaw_rad=-2.1, scale=0.8, flip_y=True),
    BevTransform(yaw_rad=math.pi / 2, scale=1.1, flip_x=True),
]


def clip_with_boxes() -> Clip:
    """Two boxes per frame and a padded one; the last image of frame 0 is absent."""
    clip = toy_clip(0)
    boxes = torch.zeros(1, 3, 3, 9)
    boxes[:, :, 0] = torch.tensor([8.0, 2.0, 1.0, 4.0, 2.0, 1.5, 0.4, 5.0, -1.0])
    boxes[:, :, 1] = torch.tensor([-6.0, -3.0, 0.5, 1.0, 0.6, 1.8, -2.0, 0.0, 1.0])
    valid = torch.tensor([True, True, False]).expand(1, 3, 3).clone()
    present, poses = clip.image_present.clone(), clip.ref_from_camera.clone()
    present[0, 0, 2], poses[0, 0, 2] = False, torch.eye(4)
    intrinsics = clip.intrinsics.clone()
    intrinsics[0, 0, 2] = torch.eye(3)
    ref_from_ego = clip.ref_from_ego.clone()
    ref_from_ego[0, clip.key] = torch.eye(4)  # exactly, as the reader gives it
    return replace(
        clip,
        ref_from_ego=ref_from_ego,
        boxes_ref=boxes,
        valid_boxes=valid,
        valid_velocities=valid,
        box_classes=torch.zeros(1, 3, 3, dtype=torch.long),
        box_lidar_points=torch.zeros(1, 3, 3, dtype=torch.long),
        box_visibility=torch.zeros(1, 3, 3, dtype=torch.long),
        image_present=present,
        ref_from_camera=poses,
        intrinsics=intrinsics,
    )


def seen(clip: Clip, points_ref: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels `t n p 2` and depths of each frame's points `t p 3` in all its cameras."""
    camera_from_ref = invert_rigid(clip.ref_from_camera[0])
    return project(clip.intrinsics[0], transform_points(camera_from_ref, points_ref[:, None]))


def assert_same_view(before: Clip, after: Clip, old: Tensor, new: Tensor, scale: float) -> None:
    """Points are at the same pixels, at `scale` times the depth, wherever they can be seen."""
    (pixels, depth), (new_pixels, new_depth) = seen(before, old), seen(after, new)
    shown = (depth > 0.5) & (pixels.abs() < 500).all(dim=-1) & before.image_present[0][..., None]
    assert shown.sum() > 20
    torch.testing.assert_close(new_pixels[shown], pixels[shown], atol=2e-3, rtol=0)
    torch.testing.assert_close(new_depth[shown], scale * depth[shown], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_points_and_box_corners_stay_at_their_pixels(transform: BevTransform) -> None:
    clip = clip_with_boxes()
    changed = transform.apply(clip)
    assert torch.equal(changed.images, clip.images)
    points, moved = clip.points_ref[0], changed.points_ref[0]
    assert_same_view(clip, changed, points, moved, transform.scale)
    corners, new_corners = (
        torch.stack([box_corners(boxes[:2]).flatten(0, 1) for boxes in c.boxes_ref[0]])
        for c in (clip, changed)
    )
    if transform.flip_x != transform.flip_y:
        # A mirrored box has its left where its right was; corners go front, left, top.
        swapped = new_corners.unflatten(1, (2, 2, 2, 2)).flip(3)
        new_corners = swapped.flatten(1, 4)
    assert_same_view(clip, changed, corners, new_corners, transform.scale)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_all_poses_stay_rigid_and_the_key_frame_stays_ref(transform: BevTransform) -> None:
    changed = transform.apply(clip_with_boxes())
    for poses in (changed.ref_from_ego[0], changed.ref_from_camera[0].flatten(0, 1)):
        rotation = poses[:, :3, :3].double()
        eye = torch.eye(3, dtype=torch.float64).expand_as(rotation)
        torch.testing.assert_close(rotation @ rotation.mT, eye, atol=1e-6, rtol=0)
        torch.testing.assert_close(torch.linalg.det(rotation), eye[:, 0, 0], atol=1e-6, rtol=0)
        assert (poses[:, 3] == torch.tensor([0.0, 0.0, 0.0, 1.0])).all()
    assert torch.equal(changed.ref_from_ego[0, changed.key], torch.eye(4))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_ego_axes_of_every_frame_change_alike(transform: BevTransform) -> None:
    """A point's place relative to the car of its own time moves by the same similarity."""
    clip = clip_with_boxes()
    changed = transform.apply(clip)
    before, after = (
        transform_points(invert_rigid(c.ref_from_ego[0]), c.points_ref[0]) for c in (clip, changed)
    )
    expected = transform_points(transform.new_from_ref.float(), before)
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=0)


def test_hand_numbers_of_a_turn_to_the_left() -> None:
    """By 90 degrees and twice the size: x becomes y; what drove ahead now drives to the left."""
    clip = clip_with_boxes()
    changed = BevTransform(yaw_rad=math.pi / 2, scale=2.0).apply(clip)
    expected = torch.tensor([-4.0, 16.0, 2.0, 8.0, 4.0, 3.0, 0.4 + math.pi / 2, 2.0, 10.0])
    torch.testing.assert_close(changed.boxes_ref[0, 0, 0], expected, atol=1e-5, rtol=0)
    assert not changed.boxes_ref[0, :, 2].any()
    x, y = clip.points_ref[0, 0, 0, :2].tolist()
    moved = changed.points_ref[0, 0, 0, :2]
    torch.testing.assert_close(moved, torch.tensor([-2 * y, 2 * x]), atol=1e-5, rtol=0)
    assert (changed.intrinsics == clip.intrinsics).all()


def test_given_depths_grow_with_the_world() -> None:
    clip = toy_clip(0)
    b, t, n, _, h, w = clip.images.shape
    depths = torch.full((b, t, n, h, w), 5.0)
    depths[..., 0, :] = 0.0  # sky
    changed = BevTransform(scale=2.0, flip_y=True).apply(replace(clip, given_depths=depths))
    assert changed.given_depths is not None
    assert torch.equal(changed.given_depths, 2 * depths)


def test_hand_numbers_of_a_mirror() -> None:
    """Left and right exchanged: headings change their sign, and so does fx."""
    clip = clip_with_boxes()
    changed = BevTransform(flip_y=True).apply(clip)
    expected = torch.tensor([8.0, -2.0, 1.0, 4.0, 2.0, 1.5, -0.4, 5.0, 1.0])
    torch.testing.assert_close(changed.boxes_ref[0, 1, 0], expected, atol=1e-6, rtol=0)
    fx = clip.intrinsics[0, 1, 0, 0, 0]
    assert changed.intrinsics[0, 1, 0, 0].tolist() == [-fx.item(), 0.0, 48.0]
    # The camera that looked to the left front looks to the right front, still upright.
    looking = changed.ref_from_camera[0, 1, 1, :3, 2] * torch.tensor([1.0, -1.0, 1.0])
    torch.testing.assert_close(looking, clip.ref_from_camera[0, 1, 1, :3, 2])
    torch.testing.assert_close(
        changed.ref_from_camera[0, 1, :, :3, 1], clip.ref_from_camera[0, 1, :, :3, 1]
    )


def test_front_and_back_exchanged_turns_headings_about() -> None:
    changed = BevTransform(flip_x=True).apply(clip_with_boxes())
    expected = torch.tensor([-8.0, 2.0, 1.0, 4.0, 2.0, 1.5, math.pi - 0.4, -5.0, -1.0])
    torch.testing.assert_close(changed.boxes_ref[0, 1, 0], expected, atol=1e-6, rtol=0)


def test_what_does_not_exist_stays_the_identity() -> None:
    changed = TRANSFORMS[5].apply(clip_with_boxes())
    assert torch.equal(changed.ref_from_camera[0, 0, 2], torch.eye(4))
    assert torch.equal(changed.intrinsics[0, 0, 2], torch.eye(3))


def test_no_change_and_a_senseless_one() -> None:
    clip = toy_clip(0)
    assert BevTransform().apply(clip) is clip
    with pytest.raises(ValueError, match="expected a positive number"):
        BevTransform(scale=0.0)


@pytest.mark.parametrize(
    ("transform", "axis"), [(BevTransform(flip_y=True), 2), (BevTransform(flip_x=True), 3)]
)
def test_the_volume_of_a_mirrored_world_is_the_mirrored_volume(
    transform: BevTransform, axis: int, seed: torch.Generator
) -> None:
    grid = VoxelGrid((-8.0, -6.0, -1.0), (8.0, 6.0, 3.0), (8, 12, 4))
    clip = toy_clip(0)
    features = torch.randn(3, 3, 5, 8, 12, generator=seed)
    depth_probs = torch.randn(3, 3, 7, 8, 12, generator=seed).softmax(dim=2)

    def volume(c: Clip) -> Tensor:
        lookup = project_voxels(
            grid.centres_ego.reshape(-1, 3),
            invert_rigid(ego_from_camera(c)[0]),
            c.intrinsics[0],
            c.image_sizes[0],
            (64, 96),
            *(1.0, 9.0, 7),
        )
        return lift(features, depth_probs, lookup).unflatten(2, grid.shape_zyx)

    before, after = volume(clip), volume(transform.apply(clip))
    assert before.abs().max() > 0.1
    # Axes m c z y x: y is the fourth, x the last.
    torch.testing.assert_close(after, before.flip(axis + 1), atol=1e-4, rtol=0)
