"""A clip that can be checked by hand: cameras at the ego origin, looking along given yaws."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.rigid import rigid_from_rotation_translation, rotation_from_yaw

FOCAL, HEIGHT, WIDTH = 50.0, 60, 100
# Columns: the camera's right, down and forward axes in ego (x forward, y left, z up).
EGO_AXES_FROM_CAMERA = torch.tensor([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def camera_poses(yaws_deg: list[float], height_m: float = 1.0) -> Tensor:
    yaws = torch.tensor([math.radians(yaw) for yaw in yaws_deg])
    rotation = rotation_from_yaw(yaws) @ EGO_AXES_FROM_CAMERA
    translation = torch.tensor([0.0, 0.0, height_m]).expand(len(yaws), 3)
    return rigid_from_rotation_translation(rotation, translation)


def make_clip(
    yaws_deg: list[float],
    frames: int = 2,
    points: Tensor | None = None,
    boxes: Tensor | None = None,
) -> Clip:
    n, t = len(yaws_deg), frames
    points = torch.zeros(0, 3) if points is None else points
    boxes = torch.zeros(0, 9) if boxes is None else boxes
    intrinsics = torch.tensor([[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]])
    every = (1, t, n)
    return Clip(
        images=torch.full((*every, 3, 64, 128), 128, dtype=torch.uint8),
        image_sizes=torch.tensor([HEIGHT, WIDTH]).expand(*every, 2).clone(),
        image_present=torch.ones(every, dtype=torch.bool),
        intrinsics=intrinsics.expand(*every, 3, 3).clone(),
        ref_from_camera=camera_poses(yaws_deg).expand(*every, 4, 4).clone(),
        image_times_s=torch.zeros(every),
        ref_from_ego=torch.eye(4).expand(1, t, 4, 4).clone(),
        frame_times_s=torch.arange(t)[None] * 0.5 - 0.5 * (t // 2),
        frame_present=torch.ones(1, t, dtype=torch.bool),
        key=t // 2,
        points_ref=points.expand(1, t, *points.shape).clone(),
        valid_points=torch.ones(1, t, len(points), dtype=torch.bool),
        boxes_ref=boxes.expand(1, t, *boxes.shape).clone(),
        valid_boxes=torch.ones(1, t, len(boxes), dtype=torch.bool),
        valid_velocities=torch.ones(1, t, len(boxes), dtype=torch.bool),
        box_classes=torch.zeros(1, t, len(boxes), dtype=torch.long),
        box_lidar_points=torch.ones(1, t, len(boxes), dtype=torch.long),
        box_visibility=torch.full((1, t, len(boxes)), 4),
        category_names=("vehicle.car",),
        camera_names=tuple(f"CAM_{i}" for i in range(n)),
        scene_names=("scene-of-the-test",),
        key_tokens=("0" * 32,),
    )


def without_image(clip: Clip, frame: int, camera: int) -> Clip:
    """As the reader gives it: identity pose and intrinsics, no picture."""
    present, poses = clip.image_present.clone(), clip.ref_from_camera.clone()
    intrinsics, sizes = clip.intrinsics.clone(), clip.image_sizes.clone()
    present[0, frame, camera] = False
    poses[0, frame, camera] = torch.eye(4)
    intrinsics[0, frame, camera] = torch.eye(3)
    sizes[0, frame, camera] = 0
    return replace(
        clip,
        image_present=present,
        ref_from_camera=poses,
        intrinsics=intrinsics,
        image_sizes=sizes,
    )
