"""What a run of the task occupancy says of voxels in a few clips, with the truth, for pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.asked_clips import Asked, AskedClip, ask_run
from mim4d.geometry.camera import unproject
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.voxel_iou import SeenRays, first_met
from mim4d.tasks.occupancy import Occupancy

_STRIDE = 2
"""Pixels between the rays of a view."""


@dataclass(frozen=True)
class OccupancyView:
    """One clip's voxels.

    Attributes:
        title: Scene and number of the clip.
        grid: Of the voxels.
        class_names: Of the classes from 1 on; 0 is free, -1 not known.
        true: What was seen; None of data without LiDAR or exact distances.
        drawn: What the run says of every voxel.
        clip: The clip (b = 1).
        met_m: Along rays through a lattice of pixels of each camera: distance at which the first
            voxel that the run says is occupied begins; infinite where there is none.
        true_met_m: The same of the truth, what is not known being free; None without truth.
    """

    title: str
    grid: VoxelGrid
    class_names: tuple[str, ...]
    true: Int64[Tensor, "z y x"] | None
    drawn: Int64[Tensor, "z y x"]
    clip: Clip
    met_m: Float[Tensor, "n h w"]
    true_met_m: Float[Tensor, "n h w"] | None


def occupancy_views(run: Path, data: Path, **asked: Unpack[Asked]) -> Iterator[OccupancyView]:
    """Clips spread over the scenes, as a run sees them; see `ask_run`."""
    task, answers = ask_run(run, data, Occupancy, **asked)
    for one in answers:
        yield occupancy_view(task, one)


def occupancy_view(task: Occupancy, one: AskedClip) -> OccupancyView:
    """One answer, ready to be drawn."""
    drawn = one.answer[0].cpu()
    truth = None if one.truth is None else one.truth.labels[0]
    met = first_distances(one.clip, drawn, task.grid)
    true_met = None if truth is None else first_distances(one.clip, truth, task.grid)
    return OccupancyView(
        one.title, task.grid, task.class_names, truth, drawn, one.clip, met, true_met
    )


def first_distances(
    clip: Clip, voxels: Int64[Tensor, "z y x"], grid: VoxelGrid
) -> Float[Tensor, "n h w"]:
    """Distance of the first occupied voxel along rays of every camera of the key frame, metres.

    Args:
        clip: The clip (b = 1).
        voxels: Class of each voxel; 0 is free, -1 not known.
        grid: Of the voxels, in ego axes.
    """
    height, width = clip.images.shape[-2:]
    lattice = (height // _STRIDE, width // _STRIDE)
    pixels = cell_centres(lattice).flatten(0, 1) * _STRIDE
    found = []
    for n in range(clip.num_cameras):
        pose = clip.ref_from_camera[0, clip.key, n]
        ones = torch.ones(len(pixels))
        ways = unproject(clip.intrinsics[0, clip.key, n], pixels, ones) @ pose[:3, :3].T
        directions = ways / ways.norm(dim=-1, keepdim=True)
        rays = SeenRays(pose[:3, 3].expand_as(ways), directions, ones, ones.long())
        found.append(first_met(voxels, rays, grid)[0].unflatten(0, lattice))
    return torch.stack(found)
