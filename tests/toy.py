"""A tiny random clip and a tiny model, for tests of everything above the single parts."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from mim4d.build.pretraining import build_model
from mim4d.config import ClipConfig, LossConfig, MaskConfig, PhotometricConfig, PretrainConfig
from mim4d.config.presets import preset
from mim4d.data.clip import Clip
from mim4d.geometry.rigid import (
    invert_rigid,
    rigid_from_rotation_translation,
    rotation_from_yaw,
)
from mim4d.pretraining.draw import draw_step
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.objective import Objective
from mim4d.pretraining.records import StepChoices
from mim4d.pretraining.targets import StepTargets


def toy_config(frames: int = 3) -> PretrainConfig:
    config = preset("toy")
    mask = MaskConfig(dropped_frame="inner" if frames > 2 else "any")
    return replace(config, clip=ClipConfig(frames, frames // 2, None, 64, 96), mask=mask)


def toy_model(config: PretrainConfig, seed: int = 0) -> MaskedVideoModel:
    torch.manual_seed(seed)
    return build_model(config)


def toy_objective(
    model: MaskedVideoModel, loss: LossConfig, photometric: PhotometricConfig | None = None
) -> Objective:
    bins = model.encoder.depth_head.bins
    return Objective(loss, photometric or PhotometricConfig(), bins, model.encoder.grid)


def toy_draw(model: MaskedVideoModel, clip: Clip, seed: int = 0) -> tuple[StepChoices, StepTargets]:
    """A step whose clips have the seeds `seed`, `seed` + 1 and so on."""
    generators = [torch.Generator().manual_seed(seed + i) for i in range(clip.batch_size)]
    return draw_step(model, clip, generators)


def random_levels(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 256).to(torch.uint8)


def toy_clip(seed: int, frames: int = 3, cameras: int = 3, hw: tuple[int, int] = (64, 96)) -> Clip:
    """A car that drives 1 m a frame and turns a little, cameras all round, random pictures."""
    generator = torch.Generator().manual_seed(seed)
    h, w = hw
    times = (torch.arange(frames) - frames // 2) * 0.5
    yaw = 0.05 * torch.arange(frames)
    position = torch.stack([torch.arange(frames) * 1.0, 0.1 * torch.arange(frames), 0 * yaw], -1)
    global_from_ego = rigid_from_rotation_translation(rotation_from_yaw(yaw), position.float())
    ref_from_ego = invert_rigid(global_from_ego[frames // 2]) @ global_from_ego
    angles = torch.arange(cameras) * (2 * math.pi / cameras)
    # Camera axes (right, down, forward) in the ego frame (forward, left, up).
    facing = torch.tensor([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    ego_from_camera = rigid_from_rotation_translation(
        rotation_from_yaw(angles) @ facing, torch.tensor([0.5, 0.0, 1.5]).expand(cameras, 3)
    )
    intrinsics = torch.tensor([[0.6 * w, 0.0, w / 2], [0.0, 0.6 * w, h / 2], [0.0, 0.0, 1.0]])
    points = torch.rand(1, frames, 400, 3, generator=generator) * 40 - 20
    points[..., 2] = points[..., 2].abs() / 10
    no_boxes = torch.zeros(1, frames, 0, dtype=torch.bool)
    return Clip(
        images=random_levels((1, frames, cameras, 3, h, w), generator),
        image_sizes=torch.tensor([h, w]).expand(1, frames, cameras, 2).clone(),
        image_present=torch.ones(1, frames, cameras, dtype=torch.bool),
        intrinsics=intrinsics.expand(1, frames, cameras, 3, 3).clone(),
        ref_from_camera=(ref_from_ego[:, None] @ ego_from_camera)[None],
        image_times_s=times[None, :, None].expand(1, frames, cameras).clone(),
        ref_from_ego=ref_from_ego[None],
        frame_times_s=times[None],
        frame_present=torch.ones(1, frames, dtype=torch.bool),
        key=frames // 2,
        points_ref=points,
        valid_points=torch.ones(1, frames, 400, dtype=torch.bool),
        boxes_ref=torch.zeros(1, frames, 0, 9),
        valid_boxes=no_boxes,
        valid_velocities=no_boxes,
        box_classes=torch.zeros(1, frames, 0, dtype=torch.long),
        box_lidar_points=torch.zeros(1, frames, 0, dtype=torch.long),
        box_visibility=torch.zeros(1, frames, 0, dtype=torch.long),
        category_names=("vehicle.car",),
        camera_names=tuple(f"CAM_{i}" for i in range(cameras)),
        scene_names=("toy",),
        key_tokens=(f"{seed:032x}",),
    )
