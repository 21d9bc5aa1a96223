"""What a golden file of a whole model says: sizes, grid, configuration and weights."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from mim4d.config import GridConfig, PretrainConfig, TaskConfig
from mim4d.exchange.official.checkpoint_layout import OfficialLayout, read_layout
from mim4d.exchange.official.describe import Metres, describe
from mim4d.exchange.official.translate import Conventions, to_ours
from tests.models.lifting.golden_lifting import golden_grid
from tests.parity import GoldenFile

Triple = tuple[float, float, float]


def num_cameras(file: GoldenFile) -> int:
    return len(file.tensors["in.lidar2img"])


def unit_m(file: GoldenFile) -> float:
    """The file's unit of length: the largest absolute bound of its grid, metres."""
    return max(abs(side) for side in file.config["view_trans"]["pc_range"])


def render_config(file: GoldenFile) -> dict:
    """The file's configuration of the renderer."""
    config: dict = file.config["pts_bbox_head"]["render_ssl_cfg"]
    return config


def to_frames(images: Tensor, cameras: int) -> Tensor:
    """(cameras frames), newest first → frames cameras, oldest first."""
    return images.unflatten(0, (cameras, -1)).transpose(0, 1).flip(0)


def stored_images(file: GoldenFile) -> Tensor:
    """The normalised images, frames cameras."""
    return to_frames(file.tensors["in.img"][0], num_cameras(file))


def lidar_pose(file: GoldenFile) -> tuple[Triple, Triple]:
    """Origin (metres) and roll, pitch, yaw (degrees) of the LiDAR in the car."""
    pose = file.tensors["in.lidar2ego"][0].double()
    r = pose[:3, :3]
    x, y, z = pose[:3, 3].tolist()
    roll = math.degrees(torch.atan2(r[2, 1], r[2, 2]))
    pitch = math.degrees(-torch.asin(r[2, 0]))
    yaw = math.degrees(torch.atan2(r[1, 0], r[0, 0]))
    return (x, y, z), (roll, pitch, yaw)


def golden_metres(file: GoldenFile) -> Metres:
    """What the file's weights do not say; its grid is given by `golden_grid_config`."""
    view = file.config["view_trans"]
    first_m, last_m = view["frustum_range"][2], view["frustum_range"][5]
    if view["type"] == "Uni3DVoxelPoolDepth":  # bins begin where the range does
        last_m -= view["frustum_size"][2]
    height, width = file.config["img"]
    metres = Metres(unit_m(file), (-1.0, 1.0), first_m, last_m, (height, width))
    transformer = file.config["pts_bbox_head"].get("transformer")
    if transformer is None:
        return metres
    attention = transformer["decoder"]["transformerlayers"]["attn_cfgs"][0]
    return replace(metres, query_heads=attention["num_heads"])


def golden_grid_config(file: GoldenFile, in_ego_axes: bool) -> GridConfig:
    """The file's voxels, in its LiDAR's axes."""
    grid = golden_grid(file.config["view_trans"])
    origin, rotation = lidar_pose(file) if in_ego_axes else ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return GridConfig(
        lower_m=grid.lower_m,
        upper_m=grid.upper_m,
        shape_xyz=grid.shape_xyz,
        origin_m=origin,
        rotation_deg=rotation,
    )


def layout_of(file: GoldenFile) -> OfficialLayout:
    return read_layout({name: value.shape for name, value in file.part("weights").items()})


def golden_config(file: GoldenFile, in_ego_axes: bool = True) -> PretrainConfig | TaskConfig:
    """The configuration that the importer gives for the file's weights, on the file's own grid.

    The grids of the releases are square, and the importer knows no others; a file's may be any.
    """
    layout = layout_of(file)
    if layout.decoder is not None:
        layout = replace(layout, decoder=replace(layout.decoder, num_cells=1))
    config = describe(layout, golden_metres(file))
    backbone = file.config["img_backbone"]
    encoder = replace(config.encoder, drop_path_rate=0.0, frozen_stages=backbone["frozen_stages"])
    return replace(config, grid=golden_grid_config(file, in_ego_axes), encoder=encoder)


def imported_weights(file: GoldenFile) -> dict[str, Tensor]:
    """The file's official weights, as ours."""
    return to_ours(file.part("weights"), layout_of(file), Conventions(unit_m(file))).weights
