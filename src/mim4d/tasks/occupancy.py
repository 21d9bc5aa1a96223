"""Occupancy: which voxels around the car are free, and what stands in the others.

A voxel is occupied if a surface was seen in it, free if it was seen through, otherwise not known,
neither in the loss nor in the scores. Surfaces come with the clip (`Clip.surfaces`): from LiDAR of
several key frames with boxes moved along, or from the exact truth of an embedded world.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.config.head import HeadConfig, OccupancyHeadConfig
from mim4d.data.clip import Clip
from mim4d.data.surface import Surface
from mim4d.errors import DataError
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.voxel_iou import FREE, UNKNOWN, SeenRays, SeenVoxels, VoxelIou
from mim4d.tasks.task import require_head

CLASSES = ("static", "vehicle", "person", "other object")
_STATIC = 1
_MAX_RAYS = 4096
"""Rays of a clip that are scored, spread evenly over those that were seen."""


class Occupancy:
    """What the voxels of the trunk's volume hold.

    Args:
        options: Of the head.
        grid: Of the trunk's volumes, whose voxels are those that are told.

    Raises:
        ValueError: If the head is of another kind.
    """

    def __init__(self, options: HeadConfig, grid: VoxelGrid) -> None:
        options = require_head("occupancy", options, OccupancyHeadConfig)
        self.options = options
        self.grid = grid
        self.class_names = CLASSES if options.classes else ("occupied",)

    def build_head(self, channels: int) -> nn.Module:
        """A convolution and a logit for free and for each class."""
        hidden = self.options.hidden
        return nn.Sequential(
            nn.Conv3d(channels, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv3d(hidden, 1 + len(self.class_names), 1),
        )

    def targets(self, clip: Clip) -> SeenVoxels:
        """Labels of all voxels, and rays for scoring.

        Raises:
            DataError: If the clip comes without surfaces.
        """
        if clip.surfaces is None:
            raise DataError(
                "the task occupancy needs surfaces, but the clips have none: read them with "
                "`surfaces` of the data set (exact, lidar or auto)"
            )
        kinds = self._kinds(clip.category_names)
        labels, rays = [], []
        for surface in clip.surfaces:
            classes = kinds[surface.categories]
            labels.append(label_voxels(surface, classes, self.grid))
            rays.append(_rays(surface, classes, self.grid))
        device = clip.images.device
        return SeenVoxels(
            torch.stack(labels).to(device),
            in_view(clip, self.grid),
            tuple(
                SeenRays(
                    *(t.to(device) for t in (r.origins, r.directions, r.distances_m, r.classes))
                )
                for r in rays
            ),
        )

    def losses(self, output: Float[Tensor, "b k z y x"], targets: SeenVoxels) -> dict[str, Tensor]:
        """Cross-entropy over the voxels that are known: means of each clip, then over clips."""
        weights = output.new_full((output.shape[1],), self.options.occupied_weight)
        weights[FREE] = 1.0
        entropy = F.cross_entropy(
            output, targets.labels, weights, ignore_index=UNKNOWN, reduction="none"
        )
        known = (targets.labels != UNKNOWN).flatten(1).sum(dim=1).clamp(min=1)
        return {"loss": (entropy.flatten(1).sum(dim=1) / known).mean()}

    def decode(self, output: Float[Tensor, "b k z y x"]) -> Int64[Tensor, "b z y x"]:
        """The likeliest class of each voxel; 0 is free."""
        return output.argmax(dim=1)

    def usual(self, truths: Sequence[SeenVoxels]) -> Int64[Tensor, "1 z y x"]:
        """What each voxel mostly was where it was known; free where it never was."""
        labels = torch.cat([truth.labels for truth in truths])
        kinds = range(1 + len(self.class_names))
        return torch.stack([(labels == kind).sum(dim=0) for kind in kinds]).argmax(dim=0)[None]

    def build_metric(self) -> VoxelIou:
        """IoU and RayIoU."""
        return VoxelIou(self.class_names, self.grid)

    def _kinds(self, category_names: tuple[str, ...]) -> Int64[Tensor, " c"]:
        """Class of each category of boxes; the last entry is that of no box."""
        if not self.options.classes:
            return torch.ones(len(category_names) + 1, dtype=torch.int64)
        words = {"vehicle": 2, "human": 3}
        found = [words.get(name.split(".")[0].lower(), 4) for name in category_names]
        return torch.tensor([*found, _STATIC])


def label_voxels(
    surface: Surface, classes: Int64[Tensor, " r"], grid: VoxelGrid
) -> Int64[Tensor, "z y x"]:
    """Occupied where a point lies (the highest class among several), free where rays passed."""
    labels = torch.full((grid.shape_zyx[0] * grid.shape_zyx[1] * grid.shape_zyx[2],), UNKNOWN)
    seen = surface.sees_through
    origins, ways = surface.origins[seen], (surface.points - surface.origins)[seen]
    step = min(grid.voxel_size_m) / 2
    lengths = ways.norm(dim=-1)
    count = int((lengths.max() / step).ceil()) if len(lengths) else 0
    directions = ways / lengths.clamp(min=1e-6)[:, None]
    for k in range(count):
        along = (k + 0.5) * step
        places = (origins + along * directions)[along < lengths]
        rows, inside = _rows(places, grid)
        labels[rows[inside]] = FREE
    rows, inside = _rows(surface.points, grid)
    labels.scatter_reduce_(0, rows[inside], classes[inside], "amax")
    return labels.reshape(grid.shape_zyx)


def in_view(clip: Clip, grid: VoxelGrid) -> Tensor:
    """Voxels whose centre a camera of the key frame looks at, `b z y x`."""
    device = clip.images.device
    centres = grid.centres_ego.flatten(0, 2).to(device)
    seen = torch.zeros(clip.batch_size, len(centres), dtype=torch.bool, device=device)
    for i in range(clip.batch_size):
        for n in range(clip.num_cameras):
            camera_from_ref = invert_rigid(clip.ref_from_camera[i, clip.key, n])
            points = transform_points(camera_from_ref, centres)
            pixels, depth = project(clip.intrinsics[i, clip.key, n], points)
            size = clip.image_sizes[i, clip.key, n].flip(0)
            inside = ((pixels >= 0) & (pixels < size)).all(dim=-1) & (depth > 0)
            seen[i] |= inside & clip.image_present[i, clip.key, n]
    return seen.reshape(-1, *grid.shape_zyx)


def _rows(places: Float[Tensor, "p 3"], grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """Number of the voxel of each place, and whether there is one."""
    at = grid.to_grid(places).floor().long()
    inside = ((at >= 0) & (at < torch.tensor(grid.shape_xyz))).all(dim=-1)
    x, y, z = at.unbind(-1)
    return (z * grid.shape_xyz[1] + y) * grid.shape_xyz[0] + x, inside


def _rays(surface: Surface, classes: Int64[Tensor, " r"], grid: VoxelGrid) -> SeenRays:
    """Rays to surfaces inside the grid, at most `_MAX_RAYS` of them."""
    chosen = (surface.sees_through & grid.contains(surface.points)).nonzero().flatten()
    chosen = chosen[:: max(1, -(-len(chosen) // _MAX_RAYS))]
    ways = (surface.points - surface.origins)[chosen]
    distances = ways.norm(dim=-1)
    directions = ways / distances.clamp(min=1e-6)[:, None]
    return SeenRays(surface.origins[chosen], directions, distances, classes[chosen])
