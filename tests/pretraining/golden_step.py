"""One whole training step of a golden file, as a clip, choices and our model.

The files count frames newest first and cameras outside frames; a clip counts oldest first, frames
outside cameras. Their volumes lie in each frame's LiDAR axes. Ours do, too (`ego_from_grid` is the
LiDAR's pose in the car), while poses, rays and points are in ego axes as in every clip of ours.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mim4d.build.pretraining import build_model
from mim4d.build.tasks import build_task
from mim4d.config import PretrainConfig, TaskConfig
from mim4d.data.clip import Clip
from mim4d.geometry.rigid import apply_linear, compose, invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.lifting.splat import frustum_points, splat
from mim4d.models.video_encoder import VideoEncoder
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.ray_choice import build_rays
from mim4d.pretraining.records import StepChoices
from mim4d.pretraining.targets import CellTargets, StepTargets
from mim4d.rendering.rays import Rays, RayTargets
from mim4d.tasks.model import TaskModel
from tests.parity import GoldenFile
from tests.pretraining.golden_sizes import (
    golden_config,
    imported_weights,
    num_cameras,
    render_config,
    stored_images,
    to_frames,
)
from tests.reference.lift_splat import truncated_voxels
from tests.reference.rendering import box_with_added_step, mixed_frame_directions
from tests.reference.warp import warp_in_index_units
from tests.rendering.golden_rays import MEAN, STD, golden_choice, levels


def golden_clip(file: GoldenFile, in_ego_axes: bool = True) -> Clip:
    """The file's images and poses. What pads an image is picture to the released lifting."""
    poses = ("ego2global", "lidar2ego", "lidar2cam", "lidar2img")
    t = {k: file.tensors[f"in.{k}"].double() for k in poses}
    global_from_lidar = t["ego2global"] @ t["lidar2ego"]
    # The LiDAR of a clip of ours does not move in its car; only where it is in the world counts.
    ego_from_lidar = t["lidar2ego"][0] if in_ego_axes else torch.eye(4).double()
    global_from_ego = global_from_lidar @ ego_from_lidar.inverse()
    images = levels(stored_images(file))
    frames, cameras = images.shape[:2]
    hw = tuple(images.shape[-2:])
    ref_from_ego = (global_from_ego[0].inverse() @ global_from_ego)[:frames]
    lidar_from_camera = t["lidar2cam"].inverse().transpose(0, 1)[:frames]
    ref_from_camera = (ref_from_ego @ ego_from_lidar)[:, None] @ lidar_from_camera
    intrinsics = t["lidar2img"].transpose(0, 1)[:frames] @ lidar_from_camera
    times = torch.arange(1 - frames, 1) / 12.0
    none = torch.zeros(1, frames, 0, dtype=torch.bool)
    return Clip(
        images=images[None],
        image_sizes=torch.tensor(hw).expand(1, frames, cameras, 2),
        image_present=torch.ones(1, frames, cameras, dtype=torch.bool),
        intrinsics=intrinsics[..., :3, :3].flip(0).float()[None],
        ref_from_camera=ref_from_camera.flip(0).float()[None],
        image_times_s=times[None, :, None].expand(1, frames, cameras),
        ref_from_ego=ref_from_ego.flip(0).float()[None],
        frame_times_s=times[None],
        frame_present=torch.ones(1, frames, dtype=torch.bool),
        key=frames - 1,
        points_ref=torch.zeros(1, frames, 0, 3),
        valid_points=none,
        boxes_ref=torch.zeros(1, frames, 0, 9),
        valid_boxes=none,
        valid_velocities=none,
        box_classes=none.long(),
        box_lidar_points=none.long(),
        box_visibility=none.long(),
        category_names=(),
        camera_names=tuple(f"CAM_{i}" for i in range(cameras)),
        scene_names=("golden",),
        key_tokens=("0" * 32,),
    )


def released_warp(volume: Tensor, source_from_target: Tensor, grid: VoxelGrid):
    """DEFECT: the matrix between the LiDARs' axes, metres, multiplies voxel indices."""
    ego_from_box = torch.tensor(grid.ego_from_box)
    matrices = compose(compose(invert_rigid(ego_from_box), source_from_target), ego_from_box)
    pairs = zip(volume, matrices, strict=True)
    warped = torch.cat([warp_in_index_units(one[None], matrix) for one, matrix in pairs])
    return warped, torch.ones_like(warped[:, 0], dtype=torch.bool)


def released_splat(features, depth_probs, geometry, normalise="sum"):
    """DEFECT: voxel indices are truncated towards zero."""
    points, _ = frustum_points(geometry, tuple(features[0].shape[-2:]), "corner")
    points_box = transform_points(geometry.grid.box_from_ego, points.reshape(-1, 3))
    grid = replace(geometry.grid, ego_from_box=tuple(map(tuple, torch.eye(4).tolist())))
    voxels = truncated_voxels(points_box.reshape(points.shape), grid)
    return splat(features[0], depth_probs[0], voxels, geometry.grid, normalise)


def golden_model(file: GoldenFile, in_ego_axes: bool = True) -> MaskedVideoModel:
    """The model of the file's official weights, with its sizes and the released defects."""
    sampler = render_config(file)["sampler_cfg"]
    config = golden_config(file, in_ego_axes)
    assert isinstance(config, PretrainConfig)
    config = replace(
        config,
        render=replace(
            config.render,
            num_samples=sampler["num_samples"],
            num_importance=sampler["num_samples_importance"],
            direct_frames="dropped",
        ),
    )
    model = build_model(config)
    model.renderer.importance_steps = sampler["num_upsample_steps"]
    model.load_state_dict(imported_weights(file))
    model.warp = released_warp
    if config.lift.method == "splat":
        model.encoder.lifting = released_splat
    feed_exact_images(model.encoder, file)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


def golden_detector(file: GoldenFile) -> TaskModel:
    """The file's detector, in evaluation."""
    config = golden_config(file)
    assert isinstance(config, TaskConfig)
    _, model = build_task(config)
    model.load_state_dict(imported_weights(file))
    if config.lift.method == "splat":
        model.encoder.lifting = released_splat
    feed_exact_images(model.encoder, file)
    return model.eval()


def feed_exact_images(encoder: VideoEncoder, file: GoldenFile) -> None:
    """Padding is zero in the files after normalisation, which no level of an image is: what our
    encoder's own normalisation would give is handed to it, to the last bit."""
    images = stored_images(file).flatten(0, 1)
    net = encoder.image_encoder
    torch.testing.assert_close(net.mean.flatten() * 255, MEAN)
    torch.testing.assert_close(net.std.flatten() * 255, STD)
    net.mean.zero_()
    net.std.fill_(1)
    net.register_forward_pre_hook(lambda _, given: (images, *given[1:]))


@dataclass(frozen=True)
class GoldenRays:
    """Rays of one stored frame with the released directions, and what they should see."""

    rays: Rays
    targets: RayTargets


def golden_rays(
    file: GoldenFile, clip: Clip, bounds: VoxelGrid, frame: int, prefix: str, nearest_m: float
) -> GoldenRays:
    """Rays of a frame (counted newest first), in its ego axes.

    DEFECT in those through random pixels of frames that are not the key: see
    `mixed_frame_directions`.
    """
    t, limits = file.tensors, file.config["pts_bbox_head"]["ray_sampler_cfg"]
    near_m = render_config(file)["collider_cfg"]["near_plane"]
    choice = golden_choice(t, frame, limits, prefix, nearest_m)
    place = clip.num_frames - 1 - frame
    ego_from_camera = compose(
        invert_rigid(clip.ref_from_ego[:, place])[:, None], clip.ref_from_camera[:, place]
    )
    poses, intrinsics = ego_from_camera, clip.intrinsics[:, place]
    rays, targets = build_rays(choice, clip.images[:, place], intrinsics, poses, bounds, near_m)
    directions = rays.directions
    if frame > 0:
        box_from_ego = bounds.box_from_ego
        key_from_pixel = torch.linalg.inv(t["in.keylidar2sweepimg"][:, frame])
        mixed = mixed_frame_directions(
            choice.pixels[0, :, None],
            key_from_pixel[choice.camera_index[0]],
            transform_points(box_from_ego, rays.origins)[0, :, None],
        )[None, :, 0]
        mixed = apply_linear(box_from_ego[:3, :3].T, mixed)
        directions = torch.where(choice.valid_distances[..., None], directions, mixed)
    near, far = box_with_added_step(
        transform_points(bounds.box_from_ego, rays.origins)[0],
        apply_linear(bounds.box_from_ego[:3, :3], directions)[0],
        bounds,
        near_m,
    )
    rays = replace(rays, directions=directions, near=near[None], far=far[None])
    # Ours cuts distances off at the exit of the box.
    return GoldenRays(rays, replace(targets, distances=choice.distances))


def golden_choices(
    file: GoldenFile, clip: Clip, bounds: VoxelGrid, passes: list[str], nearest_m: float = 2.5
) -> tuple[StepChoices, StepTargets]:
    """Everything random of the step; frames that are not rendered get the first pass's rays."""
    t, num_frames = file.tensors, clip.num_frames
    frames = t["in.frames"].tolist() if "in.frames" in t else [0]
    of_pass = [
        golden_rays(file, clip, bounds, frame, prefix, nearest_m)
        for frame, prefix in zip(frames, passes, strict=True)
    ]
    by_place = {num_frames - 1 - frame: k for k, frame in enumerate(frames)}
    order = [by_place.get(place, 0) for place in range(num_frames)]

    def jitter(kind: str, passes_in_order: list[int]) -> list[Tensor]:
        names = [
            f"{passes[k]}.{kind}.jitter" if kind else f"{passes[k]}.jitter" for k in passes_in_order
        ]
        draws = zip(*(file.series(name) for name in names), strict=True)
        return [torch.cat([draw.T for draw in of_step]) for of_step in draws]

    def joined(records):
        first = records[0]
        return type(first)(**{k: torch.cat([getattr(r, k) for r in records]) for k in vars(first)})

    temporal = num_frames > 1
    dropped = [num_frames - 1 - frame for frame in frames] if temporal else []
    mask, cameras = t["in.mask"][:, 0], num_cameras(file)
    choices = StepChoices(
        visible=to_frames(mask, cameras)[None],
        dropped=torch.tensor([dropped], dtype=torch.long),
        rays=joined([of_pass[k].rays for k in order]),
        direct_jitter=jitter("direct" if temporal else "", order),
        predicted_jitter=jitter("predicted", list(range(len(frames)))) if temporal else [],
    )
    no_cells = torch.zeros(1, num_frames, 6, 1, 1)
    cells = CellTargets(no_cells, no_cells.bool(), no_cells)
    return choices, StepTargets(joined([of_pass[k].targets for k in order]), cells)
