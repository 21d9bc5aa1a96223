"""What the cameras and the LiDAR say about a step: measured, not drawn.

Distances and depths are metres, in the frame each was measured at. `b t` are clips and frames, `hf
wf` the cells of the encoder's finest map; `m` joins clips and frames.
"""

from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip, ego_from_camera
from mim4d.geometry.camera import project
from mim4d.geometry.depth_map import nearest_points
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.models.camera_rays import cell_rays
from mim4d.pretraining.ray_choice import at_pixels
from mim4d.rendering.rays import RayTargets


@dataclass(frozen=True)
class CellTargets:
    """What the LiDAR says about the cells of the encoder's finest map.

    Attributes:
        depths: Depth of the nearest point in each cell.
        valid: Cells into which a point falls.
        ground_depths: Depth at which the ray of each cell's centre meets the plane z = 0 of the
            frame's ego axes; infinite where it does not.
    """

    depths: Float[Tensor, "b t n hf wf"]
    valid: Bool[Tensor, "b t n hf wf"]
    ground_depths: Float[Tensor, "b t n hf wf"]


@dataclass(frozen=True)
class StepTargets:
    """What the reconstruction of one step should be like.

    Attributes:
        rays: Of the step's rays, all frames; the leading axis is (b t).
        cells: Of the lifting's depth distributions.
    """

    rays: RayTargets
    cells: CellTargets


def frame_points_ego(clip: Clip) -> Float[Tensor, "m p 3"]:
    """LiDAR points of every frame in its own ego axes."""
    ego_from_ref = invert_rigid(clip.ref_from_ego)
    return transform_points(ego_from_ref, clip.points_ref).flatten(0, 1)


def on_body_of_frames(on_body: Bool[Tensor, "b n h w"], num_frames: int) -> Bool[Tensor, "m n h w"]:
    """Where cameras see their own car, for every frame."""
    return repeat(on_body, "b n h w -> (b t) n h w", t=num_frames)


def measure_cells(clip: Clip, stride: int, use_lidar: bool) -> CellTargets:
    """The nearest LiDAR depth in each cell of a feature map, where there is one, and the road's.

    Args:
        clip: The batch.
        stride: Pixels along a side of a cell.
        use_lidar: Without, no cell is valid.
    """
    b, t, n, _, h, w = clip.images.shape
    camera_from_ref = invert_rigid(clip.ref_from_camera)
    usable = clip.valid_points.unsqueeze(2) & clip.image_present.unsqueeze(3)
    usable = usable & use_lidar
    points_camera = transform_points(camera_from_ref, clip.points_ref.unsqueeze(2)).flatten(0, 2)
    if clip.on_body is not None:
        on_body = on_body_of_frames(clip.on_body, t).flatten(0, 1)
        pixels, _ = project(clip.intrinsics.flatten(0, 2), points_camera)
        usable = usable & ~at_pixels(on_body, pixels).view(b, t, n, -1)
    extent = torch.tensor([h, w], device=points_camera.device).expand(b * t * n, 2)
    lattice = (h // stride, w // stride)
    depth, _, found = nearest_points(
        points_camera,
        usable.flatten(0, 2),
        clip.intrinsics.flatten(0, 2),
        extent.float(),
        lattice,
        central_share=0.5,
    )
    poses = ego_from_camera(clip).flatten(0, 2)
    ground = cell_rays(clip.intrinsics.flatten(0, 2), poses, (h, w), lattice).ground_depth
    return CellTargets(*(v.unflatten(0, (b, t, n)) for v in (depth, found, ground)))
