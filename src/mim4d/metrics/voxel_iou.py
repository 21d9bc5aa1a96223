"""How well voxels are told free or occupied: IoU, and IoU along rays.

Only voxels that something has seen count: 0 is free, 1 and more are classes of what stands there,
-1 is not known. IoU = tp / (tp + fp + fn) over all clips. RayIoU (arXiv 2312.17118): along rays
from where surfaces were seen, the first occupied voxel is held against the surface's distance; a
ray is a hit if both are within 1, 2 or 4 m (the mean of three IoUs) and the class is right. Unlike
IoU it does not reward thick surfaces. Counts are whole numbers, so that sums are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchmetrics import Metric

from mim4d.geometry.voxel_grid import VoxelGrid

RAY_TOLERANCES_M = (1.0, 2.0, 4.0)
FREE, UNKNOWN = 0, -1


@dataclass(frozen=True)
class SeenVoxels:
    """What is true of the voxels of a batch.

    Attributes:
        labels: Class of each voxel; `FREE`, `UNKNOWN`.
        in_view: Voxels that a camera of the key frame looks at.
        rays: Of each clip, to the surfaces that were seen.
    """

    labels: Int64[Tensor, "b z y x"]
    in_view: Bool[Tensor, "b z y x"]
    rays: tuple["SeenRays", ...]


@dataclass(frozen=True)
class SeenRays:
    """Rays of one clip, ego axes of the key frame, metres.

    Attributes:
        origins: Where they begin.
        directions: Of unit length.
        distances_m: Of the surface along each ray.
        classes: Of the surface.
    """

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    distances_m: Float[Tensor, " r"]
    classes: Int64[Tensor, " r"]


class VoxelIou(Metric):
    """IoU and RayIoU of everything that is occupied, and of every class.

    The row `the truth's voxels` is the truth itself, scored like an answer: rays that pass low over
    the ground meet coarse voxels before their surface. Along rays an answer may even do better.

    Args:
        class_names: Of what stands in voxels, from class 1 on.
        grid: Of the voxels.
    """

    full_state_update = False
    headline = "IoU"
    cells: Tensor
    rays: Tensor
    best_rays: Tensor

    def __init__(self, class_names: Sequence[str], grid: VoxelGrid) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.grid = grid
        count = 1 + len(self.class_names)
        # Row 0 is everything that is occupied. In view or all × row × tp, fp, fn.
        self.add_state("cells", torch.zeros(2, count, 3, dtype=torch.int64), dist_reduce_fx="sum")
        rays = torch.zeros(len(RAY_TOLERANCES_M), count, 3, dtype=torch.int64)
        self.add_state("rays", rays, dist_reduce_fx="sum")
        self.add_state("best_rays", rays.clone(), dist_reduce_fx="sum")

    def update(self, answers: Int64[Tensor, "b z y x"], truth: SeenVoxels) -> None:
        """Count the voxels and rays of a batch; answers are classes of voxels."""
        for view, where in enumerate((truth.in_view, torch.ones_like(truth.in_view))):
            known = where & (truth.labels != UNKNOWN)
            self.cells[view] += self._count(answers[known], truth.labels[known])
        for answer, labels, rays in zip(answers, truth.labels, truth.rays, strict=True):
            self.rays += self._along_rays(answer, rays)
            self.best_rays += self._along_rays(labels.clamp(min=FREE), rays)

    def compute(self) -> dict[str, dict[str, float | int | None]]:
        """A row for what is occupied, and one for each class where there are several."""
        names = ["occupied", *(self.class_names if len(self.class_names) > 1 else ())]
        rows = {
            name: self._row(self.cells[:, row], self.rays[:, row]) for row, name in enumerate(names)
        }
        true = self.cells[:, 0, 0] + self.cells[:, 0, 2]
        best = torch.stack([true, 0 * true, 0 * true], dim=-1)
        return {**rows, "the truth's voxels": self._row(best, self.best_rays[:, 0])}

    def _row(
        self, cells: Int64[Tensor, "2 3"], rays: Int64[Tensor, "t 3"]
    ) -> dict[str, float | int | None]:
        of_rays = [_iou(counts) for counts in rays]
        known = [value for value in of_rays if value is not None]
        tp, _, fn = cells[1].tolist()
        return {
            "IoU": _iou(cells[1]),
            "IoU in view": _iou(cells[0]),
            "RayIoU": sum(known) / len(known) if known else None,
            **{f"RayIoU {t:g} m": v for t, v in zip(RAY_TOLERANCES_M, of_rays, strict=True)},
            "true voxels": tp + fn,
        }

    def _along_rays(self, voxels: Int64[Tensor, "z y x"], rays: SeenRays) -> Int64[Tensor, "t k 3"]:
        met_m, kind = first_met(voxels, rays, self.grid)
        away = (met_m - rays.distances_m).abs()
        return torch.stack(
            [self._count_rays(away <= t, kind, rays.classes) for t in RAY_TOLERANCES_M]
        )

    def _count(self, answers: Int64[Tensor, " m"], labels: Int64[Tensor, " m"]) -> Tensor:
        pairs = [(answers > FREE, labels > FREE)]
        pairs += [(answers == k, labels == k) for k in range(1, 1 + len(self.class_names))]
        return torch.stack(
            [torch.stack([(a & b).sum(), (a & ~b).sum(), (~a & b).sum()]) for a, b in pairs]
        )

    def _count_rays(
        self, near: Bool[Tensor, " r"], met: Int64[Tensor, " r"], true: Int64[Tensor, " r"]
    ) -> Tensor:
        """A ray that meets a surface elsewhere, or one of another class, is false twice."""
        counts = []
        for row in range(1 + len(self.class_names)):
            said = met > FREE if row == 0 else met == row
            is_true = true > FREE if row == 0 else true == row
            hit = near & said & is_true
            counts.append(torch.stack([hit.sum(), (said & ~hit).sum(), (is_true & ~hit).sum()]))
        return torch.stack(counts)


def first_met(
    voxels: Int64[Tensor, "z y x"], rays: SeenRays, grid: VoxelGrid
) -> tuple[Float[Tensor, " r"], Int64[Tensor, " r"]]:
    """Distance and class of the first occupied voxel along each ray; infinite and 0 if none is.

    Rays are walked in steps of half the shortest side of a voxel, from where they begin (which may
    lie outside) to the far side of the grid.
    """
    step = min(grid.voxel_size_m) / 2
    corner = torch.tensor([grid.lower_m, grid.upper_m]).abs().amax(dim=0).norm().item()
    begin = rays.origins.norm(dim=-1).max().item() if len(rays.origins) else 0.0
    along = torch.arange(step / 2, corner + begin, step).to(rays.origins)
    places = rays.origins[:, None] + along[:, None] * rays.directions[:, None]
    found = read_voxels(voxels, places, grid, outside=FREE)
    occupied = found > FREE
    first = occupied.int().argmax(dim=1)
    kind = found.gather(1, first[:, None]).squeeze(1)
    met = torch.where(occupied.any(dim=1), along[first], torch.inf)
    return met, kind


def read_voxels(
    voxels: Int64[Tensor, "z y x"], places: Float[Tensor, "*p 3"], grid: VoxelGrid, outside: int
) -> Int64[Tensor, "*p"]:
    """Value of the voxel in which each place lies (ego metres)."""
    at = grid.to_grid(places.reshape(-1, 3)).floor().long()
    x, y, z = (at[:, axis] for axis in range(3))
    shape = torch.tensor(grid.shape_xyz, device=at.device)
    inside = ((at >= 0) & (at < shape)).all(dim=-1)
    row = (z * shape[1] + y) * shape[0] + x
    found = voxels.flatten()[torch.where(inside, row, 0)]
    return torch.where(inside, found, outside).reshape(places.shape[:-1])


def _iou(counts: Int64[Tensor, "3"]) -> float | None:
    tp, fp, fn = counts.tolist()
    return tp / (tp + fp + fn) if tp + fp + fn else None
