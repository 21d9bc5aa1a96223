"""A made-up clip: a rig of six cameras on a car that drives over flat ground between walls.

Only shapes and geometry mean anything; everything is a function of the seed alone.
"""

import math
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from .library import find

_YAWS_DEG = (0.0, 55.0, 110.0, 180.0, -110.0, -55.0)
_CAMERA_AXES = ((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
_INTERVAL_S, _SPEED_M_S, _TURN_RAD = 0.5, 8.0, 0.05
_PICTURE = 15 / 16
"""Share of the rows that is picture: 450 of 480."""


def made_up_clip(
    frames: int, image_hw: tuple[int, int], *, cameras: int = 6, points: int = 34_720, seed: int = 0
) -> Any:
    """A clip of one drive; see the module's text.

    Args:
        frames: Frames; the last is the key frame.
        image_hw: Rows and columns of the padded images.
        cameras: Cameras all round.
        points: LiDAR points of each frame.
        seed: Of pictures and points.
    """
    generator = torch.Generator().manual_seed(seed)
    h, w = image_hw
    rows = round(h * _PICTURE)
    levels = torch.rand(1, frames, cameras, 3, h // 8, w // 8, generator=generator) * 255
    images = torch.zeros(1, frames, cameras, 3, h, w, dtype=torch.uint8)
    smooth = torch.nn.functional.interpolate(levels.flatten(0, 2), size=(h, w), mode="bilinear")
    images[..., :rows, :] = smooth.byte().unflatten(0, (1, frames, cameras))[..., :rows, :]
    images = images.contiguous().permute(0, 1, 2, 4, 5, 3).contiguous().permute(0, 1, 2, 5, 3, 4)
    times = (torch.arange(frames) - (frames - 1)) * _INTERVAL_S
    ref_from_ego = torch.stack([_pose(float(time)) for time in times])
    ego_from_camera = torch.stack([_mount(camera, cameras) for camera in range(cameras)])
    # Cameras expose a little after the frame's time, each later than the one before.
    delays = torch.arange(cameras) * 0.004
    exposed = torch.stack(
        [torch.stack([_pose(float(time + delay)) for delay in delays]) for time in times]
    )
    intrinsics = torch.tensor([[0.79 * w, 0.0, 0.5 * w], [0.0, 0.79 * w, 0.52 * h], [0, 0, 1.0]])
    sweeps = torch.stack([_sweep(points, generator) for _ in range(frames)])
    homogeneous = torch.cat([sweeps, torch.ones_like(sweeps[..., :1])], dim=-1)
    points_ref = torch.einsum("tij,tpj->tpi", ref_from_ego, homogeneous)[..., :3]
    yes = torch.ones(1, frames, dtype=torch.bool)
    no = torch.zeros(1, frames, 1, dtype=torch.bool)
    newer = {
        "box_lidar_points": torch.full((1, frames, 1), -1),
        "box_visibility": torch.zeros(1, frames, 1, dtype=torch.long),
        "category_names": (),
    }
    clip = find("Clip")
    known = {field.name for field in fields(clip)}
    return clip(
        **{name: value for name, value in newer.items() if name in known},
        images=images,
        image_sizes=torch.tensor([rows, w]).expand(1, frames, cameras, 2).contiguous(),
        image_present=yes.unsqueeze(-1).expand(1, frames, cameras).contiguous(),
        intrinsics=intrinsics.expand(1, frames, cameras, 3, 3).contiguous(),
        ref_from_camera=(exposed @ ego_from_camera).unsqueeze(0),
        image_times_s=(times.unsqueeze(1) + delays).unsqueeze(0),
        ref_from_ego=ref_from_ego.unsqueeze(0),
        frame_times_s=times.unsqueeze(0),
        frame_present=yes,
        key=frames - 1,
        points_ref=points_ref.unsqueeze(0),
        valid_points=yes.unsqueeze(-1).expand(1, frames, points).contiguous(),
        boxes_ref=torch.zeros(1, frames, 1, 9),
        valid_boxes=no,
        valid_velocities=no,
        box_classes=torch.full((1, frames, 1), -1),
        camera_names=tuple(f"CAM_{number}" for number in range(cameras)),
        scene_names=("made up",),
        key_tokens=("made up",),
    )


def _pose(time_s: float) -> Tensor:
    """Where the car is, driving a bend."""
    yaw, along = _TURN_RAD * time_s, _SPEED_M_S * time_s
    return _rigid(yaw, (along * math.cos(yaw / 2), along * math.sin(yaw / 2), 0.0))


def _mount(camera: int, cameras: int) -> Tensor:
    yaw = math.radians(_YAWS_DEG[camera] if cameras == 6 else 360 * camera / cameras)
    pose = _rigid(yaw, (0.8 * math.cos(yaw) + 0.9, 0.5 * math.sin(yaw), 1.5))
    pose[:3, :3] = pose[:3, :3] @ torch.tensor(_CAMERA_AXES)
    return pose


def _rigid(yaw: float, place: tuple[float, float, float]) -> Tensor:
    cos, sin = math.cos(yaw), math.sin(yaw)
    x, y, z = place
    return torch.tensor([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, z], [0, 0, 0, 1]])


def _sweep(points: int, generator: torch.Generator) -> Tensor:
    """Points on the road and, every third, above it; near ones are more frequent."""
    draws = torch.rand(points, 3, generator=generator)
    distance = 3 * torch.exp(draws[:, 0] * math.log(15.0))
    angle = 2 * math.pi * draws[:, 1]
    height = 2.5 * draws[:, 2] * (torch.arange(points) % 3 == 0)
    return torch.stack([distance * angle.cos(), distance * angle.sin(), height], dim=-1)
