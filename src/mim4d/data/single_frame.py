"""Images and cameras of one moment, without a data set, as a clip of one frame.

Pictures, intrinsics and poses enter; the `Clip` that encoders read leaves, its `ref` being the
car's own axes (x forward, y left, z up, metres). LiDAR, boxes and map are empty.
"""

from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.tensors.pixels import check_levels


def single_frame(
    images: Tensor,
    intrinsics: Tensor,
    ego_from_camera: Tensor,
    image_sizes: Int[Tensor, "b n 2"] | None = None,
) -> Clip:
    """One frame of `n` cameras for each of `b` cars.

    Args:
        images: RGB levels 0 to 255 as uint8, `b n 3 h w`; rows and columns are multiples of 32,
            with padding at the right and the bottom where pictures are smaller.
        intrinsics: Of the images as they are given, pixels, `b n 3 3`; the first pixel's corner is
            (0, 0).
        ego_from_camera: Pose of each camera (x right, y down, z forward) on the car, `b n 4 4`.
        image_sizes: Rows and columns of each image that are picture; None if all of it is.

    Raises:
        ValueError: If a tensor has another shape or kind, the image size is no multiple of 32,
            intrinsics are no pinhole camera's in pixels, a pose is no rotation and place, or a
            value is not finite.
    """
    check_levels(images)
    b, n, _, h, w = images.shape
    for name, values, size in (
        ("intrinsics", intrinsics, (3, 3)),
        ("ego_from_camera", ego_from_camera, (4, 4)),
    ):
        if tuple(values.shape) != (b, n, *size):
            raise ValueError(
                f"{name}: expected the shape {(b, n, *size)} for {b} cars of {n} cameras, got "
                f"{tuple(values.shape)}"
            )
    if h % 32 or w % 32:
        raise ValueError(
            f"images: expected rows and columns that are multiples of 32, got {h} x {w} pixels; "
            "pad them at the right and the bottom and give image_sizes"
        )
    for name, values in (("intrinsics", intrinsics), ("ego_from_camera", ego_from_camera)):
        if not values.isfinite().all():
            raise ValueError(f"{name}: holds values that are not finite")
    _check_calibration(intrinsics, ego_from_camera)
    if image_sizes is None:
        image_sizes = torch.tensor([h, w], device=images.device).expand(b, n, 2)

    intrinsics, ego_from_camera = intrinsics.float(), ego_from_camera.float()
    zeros = partial(torch.zeros, device=images.device)
    present = partial(torch.ones, dtype=torch.bool, device=images.device)
    absent = zeros(b, 1, 0, dtype=torch.bool)
    return Clip(
        images=images.unsqueeze(1),
        image_sizes=image_sizes.unsqueeze(1),
        image_present=present(b, 1, n),
        intrinsics=intrinsics.unsqueeze(1),
        ref_from_camera=ego_from_camera.unsqueeze(1),
        image_times_s=zeros(b, 1, n),
        ref_from_ego=torch.eye(4, device=images.device).expand(b, 1, 4, 4),
        frame_times_s=zeros(b, 1),
        frame_present=present(b, 1),
        key=0,
        points_ref=zeros(b, 1, 0, 3),
        valid_points=absent,
        boxes_ref=zeros(b, 1, 0, 9),
        valid_boxes=absent,
        valid_velocities=absent,
        box_classes=zeros(b, 1, 0, dtype=torch.int64),
        box_lidar_points=zeros(b, 1, 0, dtype=torch.int64),
        box_visibility=zeros(b, 1, 0, dtype=torch.int64),
        category_names=(),
        camera_names=tuple(f"camera_{index}" for index in range(n)),
        scene_names=("",) * b,
        key_tokens=("",) * b,
    )


def _check_calibration(intrinsics: Tensor, ego_from_camera: Tensor) -> None:
    """Refuse what would be read as another camera than is meant."""
    focal = intrinsics.diagonal(dim1=-2, dim2=-1)[..., :2]
    last = intrinsics.new_tensor([0.0, 0.0, 1.0])
    if not torch.equal(intrinsics[..., 2, :], last.expand_as(intrinsics[..., 2, :])):
        raise ValueError("intrinsics: expected 0, 0, 1 as the last row of each matrix")
    if not (focal.abs() > 4).all():
        raise ValueError(
            f"intrinsics: focal lengths of {focal.abs().min().item():g}; expected pixels, not a "
            "share of the image's size"
        )
    turn = ego_from_camera[..., :3, :3].double()
    error = (turn @ turn.mT - torch.eye(3, dtype=turn.dtype, device=turn.device)).abs().max()
    bottom = ego_from_camera.new_tensor([0.0, 0.0, 0.0, 1.0])
    rigid = torch.equal(ego_from_camera[..., 3, :], bottom.expand_as(ego_from_camera[..., 3, :]))
    if not rigid or error > 1e-3 or not (torch.linalg.det(turn) > 0).all():
        raise ValueError(
            "ego_from_camera: expected rotation and translation with 0, 0, 0, 1 as the last row "
            "(a transposed matrix has the translation there)"
        )
