"""Points to a sparse depth map: in every cell of an image, the nearest point that falls into it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.geometry.camera import project
from mim4d.geometry.rigid import lengths


def nearest_points(
    points_camera: Float[Tensor, "m p 3"],
    usable: Bool[Tensor, "m p"],
    intrinsics: Float[Tensor, "m 3 3"],
    extent: Float[Tensor, "m 2"],
    lattice: tuple[int, int],
    central_share: float = 1.0,
) -> tuple[Float[Tensor, "m h w"], Float[Tensor, "m h w"], Bool[Tensor, "m h w"]]:
    """The nearest point of each cell.

    Args:
        points_camera: In each camera's axes, metres.
        usable: Which points are real.
        intrinsics: Pixels.
        extent: Rows and columns of pixels that the lattice covers, from the image's first corner.
        lattice: Rows and columns of cells.
        central_share: Only points in this middle share of a cell's width and height count. Where
            cells are large, the nearest point of a whole cell lies at its lower edge on the road,
            much nearer than the cell's centre.

    Returns:
        Least depth (z) and least distance among the cell's points, metres, and whether it has any;
        0 elsewhere.
    """
    rows, columns = lattice
    pixels, depth = project(intrinsics, points_camera)
    inside = usable & (depth > 0)
    cell = torch.zeros_like(depth)
    # One axis after the other: work on both at once would run along two numbers at a time.
    for axis, count in ((1, rows), (0, columns)):
        share = pixels[..., axis] / extent[:, 1 - axis, None]
        inside &= (share >= 0) & (share < 1)
        position = torch.where(inside, share, 0.0) * count
        whole = position.floor().clamp(max=count - 1)
        inside &= (position - whole - 0.5).abs() <= central_share / 2
        cell = cell * count + whole
    index = cell.long()

    def least(values: Tensor) -> Tensor:
        far = torch.where(inside, values, torch.inf)
        empty = torch.full((len(values), rows * columns), torch.inf, device=values.device)
        return empty.scatter_reduce(1, index, far, "amin").unflatten(1, lattice)

    nearest_depth, nearest_distance = least(depth), least(lengths(points_camera))
    found = nearest_depth.isfinite()
    return nearest_depth.where(found, 0.0), nearest_distance.where(found, 0.0), found
