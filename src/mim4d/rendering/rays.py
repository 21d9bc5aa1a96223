"""Camera rays in the ego frame, clipped to the box of a voxel grid.

Enters: pixels (first pixel's corner at (0, 0)), intrinsics and `ego_from_camera`. Leaves: `Rays`:
origins in ego metres, unit directions, and the stretch from `near` to `far` (metres along the ray)
inside the box. `distance` is along the ray; camera `depth` (z) appears nowhere here.
"""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.geometry.ground_plane import reach_of_ground
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import transform_points
from mim4d.geometry.voxel_grid import VoxelGrid


@dataclass(frozen=True)
class Rays:
    """Rays of each clip, in the ego frame of one frame.

    Attributes:
        origins: Camera centres, metres.
        directions: Unit vectors.
        near: Where the ray enters the box, but no nearer than the smallest distance asked, metres.
        far: Where it leaves the box, metres. Finite also where `valid` is False.
        valid: Rays that exist and cross the box (`near` < `far`).
    """

    origins: Float[Tensor, "b r 3"]
    directions: Float[Tensor, "b r 3"]
    near: Float[Tensor, "b r"]
    far: Float[Tensor, "b r"]
    valid: Bool[Tensor, "b r"]


@dataclass(frozen=True)
class RayTargets:
    """What the rays should see.

    Attributes:
        colours: RGB in [0, 1] of the pixel the ray goes through.
        distances: Distance measured by the LiDAR, metres, cut off at the exit of the box.
        valid_distances: Rays with such a measurement.
        camera_index: Camera of each ray.
        pixels: (u, v) of each ray in its image.
    """

    colours: Float[Tensor, "b r 3"]
    distances: Float[Tensor, "b r"]
    valid_distances: Bool[Tensor, "b r"]
    camera_index: Int[Tensor, "b r"]
    pixels: Float[Tensor, "b r 2"]


def rays_through_pixels(
    pixels: Float[Tensor, "b r 2"],
    camera_index: Int[Tensor, "b r"],
    intrinsics: Float[Tensor, "b n 3 3"],
    ego_from_camera: Float[Tensor, "b n 4 4"],
) -> tuple[Float[Tensor, "b r 3"], Float[Tensor, "b r 3"]]:
    """Origins (camera centres, ego metres) and unit directions of the rays through `pixels`."""
    with torch.autocast(device_type=pixels.device.type, enabled=False):
        clips = torch.arange(pixels.shape[0], device=pixels.device)[:, None]
        camera_from_pixel = intrinsics.inverse()[clips, camera_index]  # b r 3 3
        pose = ego_from_camera[clips, camera_index]
        homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
        directions = torch.einsum(
            "brij,brjk,brk->bri", pose[..., :3, :3], camera_from_pixel, homogeneous
        )
    return pose[..., :3, 3], torch.nn.functional.normalize(directions, dim=-1)


def intersect_box(
    origins: Float[Tensor, "b r 3"],
    directions: Float[Tensor, "b r 3"],
    grid: VoxelGrid,
    near_min_m: float,
) -> tuple[Float[Tensor, "b r"], Float[Tensor, "b r"], Bool[Tensor, "b r"]]:
    """Where rays enter and leave the box of `grid` (slab test in the box's own axes).

    Rays parallel to a face need no special step width: they meet its slab everywhere or nowhere.

    Returns:
        near: Distance to the entry, at least `near_min_m`, metres.
        far: Distance to the exit, metres.
        hits: Whether some of the ray beyond `near_min_m` lies inside. Elsewhere near and far are
            `near_min_m` and one metre more: finite, without meaning.
    """
    with torch.autocast(device_type=origins.device.type, enabled=False):
        box_from_ego = grid.box_from_ego.to(origins)
        start = transform_points(box_from_ego, origins)
        step = directions @ box_from_ego[:3, :3].T
    lower, upper = origins.new_tensor(grid.lower_m), origins.new_tensor(grid.upper_m)
    parallel = step.abs() < 1e-9
    step = torch.where(parallel, torch.ones_like(step), step)
    at_lower, at_upper = (lower - start) / step, (upper - start) / step
    inside = (start >= lower) & (start <= upper)
    everywhere = torch.where(inside, -torch.inf, torch.inf).to(start)
    entry = torch.where(parallel, everywhere, torch.minimum(at_lower, at_upper))
    leave = torch.where(parallel, -everywhere, torch.maximum(at_lower, at_upper))
    near = entry.amax(dim=-1).clamp(min=near_min_m)
    far = leave.amin(dim=-1)
    hits = near < far
    near = torch.where(hits, near, near_min_m)
    return near, torch.where(hits, far, near_min_m + 1.0), hits


def make_rays(
    origins: Float[Tensor, "b r 3"],
    directions: Float[Tensor, "b r 3"],
    exists: Bool[Tensor, "b r"],
    bounds: VoxelGrid,
    near_min_m: float,
) -> Rays:
    """Clip rays to the box of `bounds`; those that do not exist or miss it are not valid."""
    near, far, hits = intersect_box(origins, directions, bounds, near_min_m)
    return Rays(origins, directions, near, far, exists & hits)


def image_rays(
    image_sizes: Int[Tensor, "b n 2"],
    image_present: Bool[Tensor, "b n"],
    intrinsics: Float[Tensor, "b n 3 3"],
    ego_from_camera: Float[Tensor, "b n 4 4"],
    lattice: tuple[int, int],
    bounds: VoxelGrid,
    near_min_m: float,
) -> tuple[Rays, Float[Tensor, "b r 2"]]:
    """Rays through a regular lattice of every picture, for evaluation and for looking.

    Args:
        image_sizes: Rows and columns of picture in each image; the lattice spans no padding.
        image_present: Absent images give rays that are not valid.
        intrinsics: Pixels.
        ego_from_camera: Pose of each camera in the ego frame.
        lattice: Rows and columns (h, w) of the lattice.
        bounds: Box for near and far.
        near_min_m: Smallest distance, metres.

    Returns:
        Rays and their pixels (u, v), the lattice cells' centres, flattened `b (n h w)`.
    """
    rows, columns = lattice
    device, dtype = intrinsics.device, intrinsics.dtype
    centres = cell_centres(lattice, device, dtype).flatten(0, 1)
    shares = centres / centres.new_tensor([columns, rows])  # (h w) 2
    sizes = image_sizes.flip(-1).to(dtype)  # columns, rows
    pixels = rearrange(shares * sizes[:, :, None], "b n p k -> b (n p) k")
    cells = rows * columns
    camera_index = repeat(
        torch.arange(intrinsics.shape[1], device=device), "n -> b (n p)", b=len(pixels), p=cells
    )
    origins, directions = rays_through_pixels(pixels, camera_index, intrinsics, ego_from_camera)
    exists = repeat(image_present, "b n -> b (n p)", p=cells)
    return make_rays(origins, directions, exists, bounds, near_min_m), pixels


def sample_heights(rays: Rays, distances: Float[Tensor, "b r s"]) -> Float[Tensor, "b r s"]:
    """Height of places along the rays above the plane z = 0 of the ego frame, metres."""
    return rays.origins[..., 2:] + rays.directions[..., 2:] * distances


def distance_to_ground(rays: Rays) -> Float[Tensor, "b r"]:
    """Metres along each ray to the plane z = 0 of the ego frame; infinite if it never meets it."""
    return reach_of_ground(rays.origins, rays.directions)
