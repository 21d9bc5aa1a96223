"""Which rays to train on, and what they should see.

Enters: the images, cameras and LiDAR points of one target frame per clip, in that frame's ego axes.
Leaves: `Rays` and `RayTargets`, `r` = cameras × rays per camera, ordered by camera. LiDAR points
come first (they give a distance), random pixels fill up. Choosing (`choose_rays`, random, no
images) and building (`build_rays`, deterministic) are apart, so that a choice can be data.
MIM4D, arXiv 2403.08760, section 3.3.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, lengths, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.rays import Rays, RayTargets, make_rays, rays_through_pixels
from mim4d.tensors.pixels import unit_colours

RaysOn = Literal["everywhere", "hidden"]

_CLEAR_CELLS = 20
"""Columns of cells in which `clear_of_points` looks for LiDAR points."""


@dataclass(frozen=True)
class RaySampling:
    """Where the rays of a step go; see `RenderConfig`.

    Attributes:
        per_camera: Rays per image.
        near_m: Nearest sample of a ray, and nearest LiDAR point that is used, metres.
        use_lidar: Take rays through LiDAR returns first, and supervise their distance.
        lidar_points: Points of each sweep that a step looks at, drawn at random.
        lidar_share: Largest share of an image's rays that go through LiDAR returns.
        sky_fraction: Share of rows at the top where no pixel-only ray starts.
        occlusion_cell_px: Cell size of the test that drops LiDAR points the camera cannot see.
        clear_sky: Whether pixels above all LiDAR points count as measured; see `clear_of_points`.
        on: Whether rays go through any pixel, or through hidden patches only.
    """

    per_camera: int
    near_m: float
    use_lidar: bool
    lidar_points: int
    sky_fraction: float = 0.0
    occlusion_cell_px: int | None = None
    on: RaysOn = "everywhere"
    clear_sky: bool = False
    lidar_share: float = 1.0


@dataclass(frozen=True)
class RayChoice:
    """Chosen rays, before geometry.

    Attributes:
        camera_index: Camera of each ray.
        pixels: (u, v) the ray goes through.
        distances: Measured distance from the camera centre, metres; 0 where there is none, infinite
            where LiDAR met nothing.
        valid_distances: Rays that go through a LiDAR point, or are known to meet nothing.
        exists: False where the image is absent.
    """

    camera_index: Int[Tensor, "b r"]
    pixels: Float[Tensor, "b r 2"]
    distances: Float[Tensor, "b r"]
    valid_distances: Bool[Tensor, "b r"]
    exists: Bool[Tensor, "b r"]


def choose_rays(
    image_sizes: Int[Tensor, "b n 2"],
    image_present: Bool[Tensor, "b n"],
    intrinsics: Float[Tensor, "b n 3 3"],
    ego_from_camera: Float[Tensor, "b n 4 4"],
    points_ego: Float[Tensor, "b p 3"],
    valid_points: Bool[Tensor, "b p"],
    *,
    padded_hw: tuple[int, int],
    rays_per_camera: int,
    generator: torch.Generator,
    lidar_share: float = 1.0,
    clear_sky: bool = False,
    min_distance_m: float = 2.5,
    sky_fraction: float = 0.0,
    occlusion_cell_px: int | None = None,
    excluded: Bool[Tensor, "b n h w"] | None = None,
) -> RayChoice:
    """Per camera, LiDAR points in its picture without repetition, then random pixels.

    Args:
        image_sizes: Rows and columns of picture in each image, padding excluded.
        image_present: Cameras without an image, or with one that is all padding, choose nothing.
        intrinsics: Pixels.
        ego_from_camera: Pose of each camera in the frame of the points.
        points_ego: LiDAR points of the target frame; may be none (`p` = 0).
        valid_points: Which points are real.
        padded_hw: Rows and columns of the padded images.
        rays_per_camera: How many rays each camera gives.
        lidar_share: Largest share of them that goes through LiDAR points.
        clear_sky: Say of random pixels that are `clear_of_points` that nothing is met there.
        generator: On the CPU; the choice is then the same on any device.
        min_distance_m: Points nearer to the camera (the car itself) are not used.
        sky_fraction: Share of the picture's rows, from the top, that random pixels avoid.
        occlusion_cell_px: Drop points that the LiDAR sees and the camera does not (see
            `hidden_points`), with cells of this size; None keeps all.
        excluded: Pixels through which no ray goes; a camera that has no other gives no rays.
    """
    with torch.autocast(device_type=points_ego.device.type, enabled=False):
        camera_from_ego = invert_rigid(ego_from_camera)
        points_camera = transform_points(camera_from_ego, points_ego[:, None])  # b n p 3
        projected, depth = project(intrinsics, points_camera)
    distances = lengths(points_camera)
    image_present = image_present & (image_sizes > 0).all(dim=-1)
    rows, columns = (size.unsqueeze(-1) for size in image_sizes.unbind(-1))
    u, v = projected.unbind(-1)
    usable = (u >= 0) & (u < columns) & (v >= 0) & (v < rows) & (depth > 1e-5)
    usable &= valid_points[:, None] & image_present[..., None] & (distances >= min_distance_m)
    if occlusion_cell_px is not None:
        usable &= ~hidden_points(projected, distances, usable, occlusion_cell_px, padded_hw)
    met = usable
    if excluded is not None:
        usable = usable & ~at_pixels(excluded, projected)

    keys = torch.rand(usable.shape, generator=generator).to(points_ego.device)
    count = min(round(rays_per_camera * lidar_share), points_ego.shape[1])
    top = torch.where(usable, keys, -1.0).topk(count, dim=-1)
    from_point = F.pad(top.values >= 0, (0, rays_per_camera - count))
    order = F.pad(top.indices, (0, rays_per_camera - count))
    if excluded is None:
        pixels = random_pixels(image_sizes, rays_per_camera, generator, sky_fraction)
        exists = image_present.unsqueeze(-1).expand(-1, -1, rays_per_camera)
    else:
        free = free_pixels(image_sizes, excluded, sky_fraction)
        pixels, any_free = random_free_pixels(free, rays_per_camera, generator)
        exists = image_present.unsqueeze(-1) & (any_free.unsqueeze(-1) | from_point)
    chosen = torch.zeros_like(from_point, dtype=distances.dtype)
    if count > 0:
        through = projected.gather(2, order.unsqueeze(-1).expand(-1, -1, -1, 2))
        pixels = torch.where(from_point.unsqueeze(-1), through, pixels)
        chosen = torch.where(from_point, distances.gather(2, order), chosen)
    measured = from_point
    if clear_sky:
        clear = clear_of_points(pixels, projected, met, padded_hw) & ~from_point & exists
        chosen, measured = chosen.masked_fill(clear, torch.inf), from_point | clear
    b, n = image_present.shape
    camera_index = repeat(
        torch.arange(n, device=pixels.device), "n -> b (n r)", b=b, r=rays_per_camera
    )
    return RayChoice(
        camera_index,
        pixels.flatten(1, 2),
        chosen.flatten(1, 2),
        measured.flatten(1, 2),
        exists.flatten(1, 2),
    )


def random_pixels(
    image_sizes: Int[Tensor, "b n 2"], count: int, generator: torch.Generator, sky_fraction: float
) -> Float[Tensor, "b n k 2"]:
    """Centres (u, v) of `count` random pixels of each picture, below its `sky_fraction`."""
    shares = torch.rand((*image_sizes.shape[:2], count, 2), generator=generator)
    shares = shares.to(image_sizes.device)
    rows, columns = image_sizes[..., None, 0], image_sizes[..., None, 1]
    first_row = (rows * sky_fraction).floor()
    u = (shares[..., 0] * columns).floor().minimum(columns - 1)
    v = (first_row + shares[..., 1] * (rows - first_row)).floor().minimum(rows - 1)
    return torch.stack([u, v], dim=-1).clamp(min=0) + 0.5


def free_pixels(
    image_sizes: Int[Tensor, "b n 2"], excluded: Bool[Tensor, "b n h w"], sky_fraction: float
) -> Bool[Tensor, "b n h w"]:
    """Pixels of each picture below its `sky_fraction` that are not excluded."""
    rows, columns = image_sizes[..., None, None, 0], image_sizes[..., None, None, 1]
    v = torch.arange(excluded.shape[-2], device=rows.device)[:, None]
    u = torch.arange(excluded.shape[-1], device=rows.device)
    return ~excluded & (v >= (rows * sky_fraction).floor()) & (v < rows) & (u < columns)


def random_free_pixels(
    free: Bool[Tensor, "b n h w"], count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "b n k 2"], Bool[Tensor, "b n"]]:
    """Centres (u, v) of `count` random pixels out of the free ones, and whether there are any."""
    b, n, _, w = free.shape
    shares = torch.rand((b, n, count), generator=generator).to(free.device)
    so_far = free.flatten(2).cumsum(dim=2, dtype=torch.int32)
    total = so_far[..., -1:]
    # The k-th free pixel is where the count first reaches k + 1.
    wanted = (shares * total).floor().minimum(total - 1).clamp(min=0).int() + 1
    index = torch.searchsorted(so_far, wanted).clamp(max=so_far.shape[-1] - 1)
    return torch.stack([index % w, index // w], dim=-1) + 0.5, total[..., 0] > 0


def at_pixels(
    mask: Bool[Tensor, "*m h w"], pixels: Float[Tensor, "*m p 2"]
) -> Bool[Tensor, "*m p"]:
    """The mask at the pixels that positions fall into; outside the image, that of its border."""
    h, w = mask.shape[-2:]
    # Positions behind a camera are meaningless and may be huge: bounded before they are integers.
    u = pixels[..., 0].floor().clamp(0, w - 1).long()
    v = pixels[..., 1].floor().clamp(0, h - 1).long()
    return mask.flatten(-2).gather(-1, v * w + u)


def hidden_points(
    pixels: Float[Tensor, "b n p 2"],
    distances: Float[Tensor, "b n p"],
    usable: Bool[Tensor, "b n p"],
    cell_px: int,
    padded_hw: tuple[int, int],
) -> Bool[Tensor, "b n p"]:
    """Points behind something nearer that the LiDAR, mounted higher, could look over.

    A coarse map of nearest distances per cell. A point is hidden if both the three cells above its
    own and the three below hold points so near that it lies 15 % and one metre behind the farther
    of the two. Asking on both sides spares the road, where only the cells below are nearer.
    """
    b, n, p = distances.shape
    cells = (pixels / cell_px).floor().clamp(0, 1e4).long()
    cells = torch.where(usable.unsqueeze(-1), cells, torch.zeros_like(cells))
    if p == 0:
        return usable
    # From the image's size: that of the cells in use would be a wait for the device.
    rows, columns = (-(-side // cell_px) for side in padded_hw)
    index = cells[..., 1] * columns + cells[..., 0]
    seen = torch.where(usable, distances, torch.inf)
    nearest = torch.full((b, n, rows * columns), torch.inf, device=seen.device, dtype=seen.dtype)
    nearest = nearest.scatter_reduce(2, index, seen, "amin").view(b, n, rows, columns)
    around = -F.max_pool2d(-nearest, (1, 3), stride=1, padding=(0, 1))
    above = F.pad(around, (0, 0, 1, 0), value=torch.inf)[:, :, :-1]
    below = F.pad(around, (0, 0, 0, 1), value=torch.inf)[:, :, 1:]
    cover = torch.maximum(above, below).flatten(2).gather(2, index)
    return usable & (distances > 1.15 * cover + 1.0)


def clear_of_points(
    pixels: Float[Tensor, "b n k 2"],
    points: Float[Tensor, "b n p 2"],
    usable: Bool[Tensor, "b n p"],
    padded_hw: tuple[int, int],
) -> Bool[Tensor, "b n k"]:
    """Pixels where the LiDAR looked and met nothing.

    No point lies in the pixel's cell, in those beside and below, or anywhere above these; but some
    point of the image lies as high as the pixel, so that beams do reach there. Images in which all
    points are low say nothing.

    Args:
        pixels: (u, v) that are asked about.
        points: (u, v) of the LiDAR points.
        usable: Points that lie in the picture.
        padded_hw: Rows and columns of the padded images.

    A cell is a twentieth of the image wide, whatever its pixels: large enough that every surface
    has points in each.
    """
    cell_px = max(1, round(padded_hw[1] / _CLEAR_CELLS))
    if points.shape[2] == 0:
        return torch.zeros_like(pixels[..., 0], dtype=torch.bool)
    rows, columns = (-(-side // cell_px) for side in padded_hw)

    def cell_of(places: Tensor) -> Tensor:
        u, v = (places / cell_px).floor().clamp(0, 1e4).long().unbind(-1)
        return v.clamp(max=rows - 1) * columns + u.clamp(max=columns - 1)

    met = torch.zeros(*usable.shape[:2], rows * columns, device=points.device)
    met = met.scatter_reduce(2, cell_of(points), usable.to(met.dtype), "amax")
    around = F.max_pool2d(met.unflatten(2, (rows, columns)), 3, stride=1, padding=1)
    met_above = around.cummax(dim=2).values.flatten(2).gather(2, cell_of(pixels)) > 0
    highest = torch.where(usable, points[..., 1], torch.inf).amin(dim=2, keepdim=True)
    return ~met_above & (pixels[..., 1] >= highest)


def build_rays(
    choice: RayChoice,
    images: UInt8[Tensor, "b n 3 h w"],
    intrinsics: Float[Tensor, "b n 3 3"],
    ego_from_camera: Float[Tensor, "b n 4 4"],
    bounds: VoxelGrid,
    near_min_m: float,
) -> tuple[Rays, RayTargets]:
    """Geometry and targets of chosen rays.

    Args:
        choice: From `choose_rays`.
        images: RGB levels 0 to 255, without mask.
        intrinsics: Pixels.
        ego_from_camera: The same pose for every ray of a camera, whatever the ray was chosen by.
        bounds: Box for near and far.
        near_min_m: Smallest distance, metres.

    Returns:
        Rays in the ego frame, and targets. A distance beyond the exit of the box becomes the exit:
        that space is free up to there is a fact the ray can learn.
    """
    origins, directions = rays_through_pixels(
        choice.pixels, choice.camera_index, intrinsics, ego_from_camera
    )
    rays = make_rays(origins, directions, choice.exists, bounds, near_min_m)
    height, width = images.shape[-2:]
    u = choice.pixels[..., 0].floor().long().clamp(0, width - 1)
    v = choice.pixels[..., 1].floor().long().clamp(0, height - 1)
    rows = rearrange(images, "b n c h w -> b (n h w) c")
    index = (choice.camera_index * height + v) * width + u
    colours = unit_colours(rows.gather(1, index.unsqueeze(-1).expand(-1, -1, 3)))
    valid_distances = choice.valid_distances & rays.valid
    distances = torch.where(valid_distances, choice.distances.minimum(rays.far), 0.0)
    return rays, RayTargets(colours, distances, valid_distances, choice.camera_index, choice.pixels)
