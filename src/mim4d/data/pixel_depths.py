"""Depth (z in the camera) of every pixel of a clip's images: exact where the data say it, or LiDAR.

Only ceilings ask for it: what a model would reach if it knew distances. Depths are metres, as the
padded images lie; 0 where there is none.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.images.image_draw import ImageDraw
from mim4d.data.images.image_fit import Fit
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.data.reader import ClipPlan
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import Box, ShownBox, has_truth, read_distance
from mim4d.errors import DataError
from mim4d.geometry.camera import unproject
from mim4d.geometry.depth_map import nearest_points
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import invert_rigid, lengths, transform_points

_LIDAR_CELL_PX = 4
"""A return gives its depth to a square of so many pixels: to one cell of the finest map."""


class DepthReader:
    """Reads the depths of one data set's clips.

    Args:
        tables: The data set.
        image_hw: Rows and columns that images are fitted into.
        fit: Whether the whole image is shown, or the target filled.
        lidar: Channel of the LiDAR, which serves where there are no exact distances.

    Raises:
        DataError: If there is neither.
    """

    def __init__(self, tables: NuscenesTables, image_hw: Size, fit: Fit, lidar: str | None) -> None:
        self._is_exact = has_truth(tables.root)
        if not self._is_exact and lidar is None:
            raise DataError(
                f"{tables.root}: depths are asked for, but it has neither exact distances, as "
                "embedded worlds have, nor LiDAR that is read (--clip.lidar)"
            )
        self._tables = tables
        self._image_hw = image_hw
        self._fit: Fit = fit

    def read(
        self, plan: ClipPlan, clip: Clip, draws: Sequence[ImageDraw] | None = None
    ) -> Float[Tensor, "1 t n h w"]:
        """Of every image of a clip.

        Args:
            plan: The measurements.
            clip: What was read of them (b = 1), before its world is changed.
            draws: How each camera's images were placed otherwise than usual; None: as usual.

        Raises:
            DataError: If a file is missing or damaged.
        """
        if not self._is_exact:
            return lidar_depths(clip)
        draws = draws or [ImageDraw()] * clip.num_cameras
        depths = torch.zeros(*clip.images.shape[:3], *self._image_hw)
        for t, of_frame in enumerate(plan.images.tolist()):
            for n, row in enumerate(of_frame):
                if row < 0:
                    continue
                size = (int(clip.image_sizes[0, t, n, 0]), int(clip.image_sizes[0, t, n, 1]))
                depths[0, t, n, : size[0], : size[1]] = self._exact(
                    row, draws[n], size, clip.intrinsics[0, t, n]
                )
        return depths

    def _exact(
        self, row: int, draw: ImageDraw, size: Size, intrinsics: Float[Tensor, "3 3"]
    ) -> Float[Tensor, "h w"]:
        def shown(stored_hw: Size) -> Box:
            usual = ImagePlacement.fitted(stored_hw, self._image_hw, self._fit)
            placement = draw.placement(usual, stored_hw, self._image_hw)
            return placement.shown_box(stored_hw, self._image_hw)

        file = Path(self._tables.sample_data(row).filename)
        return exact_depth(self._tables.root, file, size, intrinsics, shown, draw.flipped)


def exact_depth(
    root: Path,
    image_file: Path,
    size: Size,
    intrinsics: Float[Tensor, "3 3"],
    shown: ShownBox,
    flipped: bool = False,
) -> Float[Tensor, "h w"]:
    """Exact depth at the pixels' centres of one image as it is shown; 0 where nothing is.

    Args:
        root: Data set with exact distances.
        image_file: The image, relative to `root`.
        size: Rows and columns of the picture.
        intrinsics: Of the picture, pixels.
        shown: From the stored image's rows and columns to the part of it that is shown.
        flipped: Whether the picture is mirrored left to right.

    Raises:
        DataError: If the file is missing or damaged.
    """
    distance = read_distance(root, image_file, size, shown)
    pixels = cell_centres(size).flatten(0, 1)
    rays = lengths(unproject(intrinsics, pixels, torch.ones(len(pixels))))
    return (distance.flip(-1) if flipped else distance) / rays.unflatten(0, size)


def lidar_depths(clip: Clip) -> Float[Tensor, "b t n h w"]:
    """Depth of each frame's nearest LiDAR return in every square of a few pixels.

    None where a camera sees its own car.
    """
    b, t, n, _, h, w = clip.images.shape
    points_ref = repeat(clip.points_ref, "b t p k -> (b t n) p k", n=n)
    usable = clip.valid_points.unsqueeze(2) & clip.image_present.unsqueeze(3)
    depth, _, _ = nearest_points(
        transform_points(invert_rigid(clip.ref_from_camera).flatten(0, 2), points_ref),
        usable.flatten(0, 2),
        clip.intrinsics.flatten(0, 2),
        points_ref.new_tensor([h, w]).expand(b * t * n, 2),
        (h // _LIDAR_CELL_PX, w // _LIDAR_CELL_PX),
    )
    p = _LIDAR_CELL_PX
    depths = repeat(depth, "(b t n) h w -> b t n (h p) (w q)", b=b, t=t, n=n, p=p, q=p)
    return depths if clip.on_body is None else depths.masked_fill(clip.on_body.unsqueeze(1), 0.0)
