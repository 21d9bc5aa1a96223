"""The voxel grid: metres ↔ continuous voxel coordinates ↔ the [-1, 1] box of `grid_sample`.

`grid` coordinates are (x, y, z) in voxels: the corner of voxel 0 is 0, its centre 0.5. `unit`
coordinates span the same box by [-1, 1] and belong to `align_corners=False`. Tensors of voxels are
laid out `z y x`. One class serves every convention of where voxel centres lie: a grid given by its
first and last centres (`from_centres`) is the same grid with its faces half a voxel further out.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import transform_points

_IDENTITY = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))

Matrix4 = tuple[tuple[float, ...], ...]
Vector3 = tuple[float, float, float]


def box_pose(origin_m: Vector3, rotation_deg: Vector3) -> Matrix4:
    """`ego_from_box` of a box at `origin_m`, turned about x, then y, then z of the ego frame.

    Args:
        origin_m: Of the box's axes, ego metres.
        rotation_deg: Roll, pitch and yaw, degrees.
    """
    (sx, cx), (sy, cy), (sz, cz) = (
        (math.sin(math.radians(a)), math.cos(math.radians(a))) for a in rotation_deg
    )
    x, y, z = origin_m
    return (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx, x),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx, y),
        (-sy, cy * sx, cy * cx, z),
        (0.0, 0.0, 0.0, 1.0),
    )


@dataclass(frozen=True)
class VoxelGrid:
    """A box of voxels around the car.

    Attributes:
        lower_m: Lower faces (x, y, z) of the box, metres, in the box's own axes.
        upper_m: Upper faces (x, y, z), metres.
        shape_xyz: Number of voxels along x, y and z.
        ego_from_box: Rigid 4×4 transform from the box's axes to the ego frame. The identity for our
            own grids; a grid in a LiDAR's axes (published checkpoints) has that LiDAR's pose here.

    Raises:
        ValueError: If a side has no length or no voxel.
    """

    lower_m: Vector3
    upper_m: Vector3
    shape_xyz: tuple[int, int, int]
    ego_from_box: Matrix4 = _IDENTITY

    def __post_init__(self) -> None:
        for axis, low, high, count in zip(
            "xyz", self.lower_m, self.upper_m, self.shape_xyz, strict=True
        ):
            if not low < high or count < 1:
                raise ValueError(
                    f"grid: the {axis} side runs from {low} m to {high} m in {count} voxels; "
                    "expected lower < upper and at least one voxel"
                )

    @classmethod
    def from_centres(
        cls,
        first_m: Vector3,
        last_m: Vector3,
        shape_xyz: tuple[int, int, int],
        ego_from_box: Matrix4 = _IDENTITY,
    ) -> "VoxelGrid":
        """The grid whose first and last voxel *centres* are given (at least two voxels a side)."""
        half = [(b - a) / (n - 1) / 2 for a, b, n in zip(first_m, last_m, shape_xyz, strict=True)]
        lower = (first_m[0] - half[0], first_m[1] - half[1], first_m[2] - half[2])
        upper = (last_m[0] + half[0], last_m[1] + half[1], last_m[2] + half[2])
        return cls(lower, upper, shape_xyz, ego_from_box)

    def shifted(self, voxels: float) -> "VoxelGrid":
        """The grid moved along all of its own axes by so many voxels."""
        sizes = self.voxel_size_m
        lower = [side + voxels * size for side, size in zip(self.lower_m, sizes, strict=True)]
        upper = [side + voxels * size for side, size in zip(self.upper_m, sizes, strict=True)]
        return replace(
            self, lower_m=(lower[0], lower[1], lower[2]), upper_m=(upper[0], upper[1], upper[2])
        )

    @property
    def is_in_ego_axes(self) -> bool:
        """Whether the box's axes are those of the ego frame, origin included."""
        return self.ego_from_box == _IDENTITY

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Shape of a volume's spatial axes."""
        x, y, z = self.shape_xyz
        return z, y, x

    @property
    def voxel_size_m(self) -> Vector3:
        """Edge lengths (x, y, z) of one voxel, metres."""
        x, y, z = (
            (b - a) / n for a, b, n in zip(self.lower_m, self.upper_m, self.shape_xyz, strict=True)
        )
        return x, y, z

    @property
    def layer_heights_m(self) -> list[float]:
        """Mean height (z in the ego frame) of the voxel centres of each layer, metres."""
        row, size_z = self.ego_from_box[2], self.voxel_size_m[2]
        x, y = ((a + b) / 2 for a, b in zip(self.lower_m[:2], self.upper_m[:2], strict=True))
        centres = (self.lower_m[2] + (k + 0.5) * size_z for k in range(self.shape_xyz[2]))
        return [row[0] * x + row[1] * y + row[2] * z + row[3] for z in centres]

    @cached_property
    def box_from_ego(self) -> Float[Tensor, "4 4"]:
        """Rigid transform from the ego frame into the box's axes (float32)."""
        return torch.linalg.inv(torch.tensor(self.ego_from_box, dtype=torch.float64)).float()

    @cached_property
    def unit_from_ego(self) -> Float[Tensor, "4 4"]:
        """Affine transform from ego metres to the [-1, 1] box (float32)."""
        lower = torch.tensor(self.lower_m, dtype=torch.float64)
        upper = torch.tensor(self.upper_m, dtype=torch.float64)
        unit_from_box = torch.eye(4, dtype=torch.float64)
        unit_from_box[:3, :3] = torch.diag(2 / (upper - lower))
        unit_from_box[:3, 3] = -(upper + lower) / (upper - lower)
        ego_from_box = torch.tensor(self.ego_from_box, dtype=torch.float64)
        return (unit_from_box @ torch.linalg.inv(ego_from_box)).float()

    def to_unit(self, points_ego: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 3"]:
        """Ego metres to `unit` coordinates (x, y, z); inside the box they lie in [-1, 1]."""
        matrix = self.unit_from_ego.to(points_ego)
        return transform_points(matrix, points_ego.reshape(-1, 3)).reshape(points_ego.shape)

    def to_grid(self, points_ego: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 3"]:
        """Ego metres to continuous voxel coordinates (x, y, z)."""
        shape = points_ego.new_tensor(self.shape_xyz)
        return (self.to_unit(points_ego) + 1) / 2 * shape

    def contains(self, points_ego: Float[Tensor, "*p 3"]) -> Bool[Tensor, "*p"]:
        """Whether points lie inside the box, faces included."""
        return (self.to_unit(points_ego).abs() <= 1).all(dim=-1)

    @cached_property
    def centres_ego(self) -> Float[Tensor, "z y x 3"]:
        """Voxel centres in ego metres."""
        centres = cell_centres(self.shape_zyx, dtype=torch.float64).reshape(-1, 3)
        lower, size = centres.new_tensor(self.lower_m), centres.new_tensor(self.voxel_size_m)
        centres_box = lower + centres * size
        ego_from_box = torch.tensor(self.ego_from_box, dtype=torch.float64)
        return transform_points(ego_from_box, centres_box).float().reshape(*self.shape_zyx, 3)
