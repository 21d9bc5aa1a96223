"""The rays of a golden file: its stored choice, read as the released code enumerates it."""

import torch
from torch import Tensor

from mim4d.geometry.rigid import transform_points
from mim4d.pretraining.ray_choice import RayChoice

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


def levels(normalised: Tensor) -> Tensor:
    """Levels of normalised images; exact but for padding, which no ray meets."""
    return (normalised * STD.view(3, 1, 1) + MEAN.view(3, 1, 1)).round().to(torch.uint8)


def picture_size(t: dict[str, Tensor]) -> tuple[int, int]:
    """Rows and columns of the images before padding, which all share."""
    sizes = t["in.pad_before_shape"][:, :2].unique(dim=0)
    assert len(sizes) == 1, f"images of different sizes: {sizes.tolist()}"
    height, width = sizes[0].tolist()
    return height, width


def _usable_points(t: dict[str, Tensor], frame: int, camera: int, limits: dict, nearest_m: float):
    """The released enumeration of usable points: camera coordinates and pixels, in order."""
    points = t["in.points"][:, :3]
    points = points[points.norm(dim=-1) > nearest_m]
    radius = points[:, :2].norm(dim=-1)
    kept = points[(radius > limits["close_radius"]) & (radius < limits["far_radius"])]
    in_camera = transform_points(t["in.keylidar2sweepcam"][camera, frame], kept)
    image = transform_points(t["in.keylidar2sweepimg"][camera, frame], kept)
    pixels, depth = image[:, :2] / image[:, 2:].clamp(min=1e-5), image[:, 2]
    height, width = picture_size(t)
    inside = (pixels > 0).all(-1) & (pixels[:, 0] < width - 1) & (pixels[:, 1] < height - 1)
    keep = inside & (depth > 1e-5)
    return in_camera[keep], pixels[keep]


def golden_choice(
    t: dict[str, Tensor], frame: int, limits: dict, prefix: str, nearest_m: float = 0.0
) -> RayChoice:
    """The stored choice of one frame's rays.

    Args:
        t: Tensors of the file.
        frame: Counted newest first, as the file does.
        limits: Its `ray_sampler_cfg`.
        prefix: Of the names of the choice, e.g. `in.frame0`.
        nearest_m: Points that lie no farther from the LiDAR were removed before.
    """
    height, width = picture_size(t)
    step = limits["pixel_interval"]
    v, u = torch.meshgrid(
        torch.arange(int(limits["sky_region"] * height), height, step),
        torch.arange(0, width, step),
        indexing="ij",
    )
    lattice = torch.stack([u, v], dim=-1).flatten(0, 1).float()
    cameras, pixels, distances, measured = [], [], [], []
    for camera in range(len(t["in.lidar2img"])):
        in_camera, projected = _usable_points(t, frame, camera, limits, nearest_m)
        points = t[f"{prefix}.choice.cam{camera}.points"]
        free = t[f"{prefix}.choice.cam{camera}.pixels"]
        pixels += [projected[points], lattice[free]]
        distances += [in_camera[points].norm(dim=-1), torch.zeros(len(free))]
        measured += [torch.ones(len(points)).bool(), torch.zeros(len(free)).bool()]
        cameras.append(torch.full((len(points) + len(free),), camera))
    joined = torch.cat(pixels)
    return RayChoice(
        torch.cat(cameras)[None],
        joined[None],
        torch.cat(distances)[None],
        torch.cat(measured)[None],
        torch.ones(1, len(joined), dtype=torch.bool),
    )
