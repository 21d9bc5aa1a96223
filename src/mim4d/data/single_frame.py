"""Images and cameras of one moment, without a data set, as a clip of one frame.

Pictures, intrinsics and poses enter; the `Clip` that encoders read leaves, its `ref` being the
car's own axes (x forward, y left, z up, metres). LiDAR, boxes and map are empty.
"""

from functools import partial

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mim4d.data.clip import Clip


def single_frame(
    images: UInt8[Tensor, "b n 3 h w"],
    intrinsics: Float[Tensor, "b n 3 3"],
    ego_from_camera: Float[Tensor, "b n 4 4"],
    image_sizes: Int[Tensor, "b n 2"] | None = None,
) -> Clip:
    """One frame of `n` cameras for each of `b` cars.

    Args:
        images: RGB levels 0 to 255; rows and columns are multiples of 32, with padding at the
            right and the bottom where pictures are smaller.
        intrinsics: Of the images as they are given, pixels; the first pixel's corner is (0, 0).
        ego_from_camera: Pose of each camera (x right, y down, z forward) on the car.
        image_sizes: Rows and columns of each image that are picture; None if all of it is.

    Raises:
        ValueError: If the image size is no multiple of 32, or a tensor is not finite.
    """
    b, n, _, h, w = images.shape
    if h % 32 or w % 32:
        raise ValueError(
            f"images: expected rows and columns that are multiples of 32, got {h} x {w} pixels; "
            "pad them at the right and the bottom and give image_sizes"
        )
    for name, values in (("intrinsics", intrinsics), ("ego_from_camera", ego_from_camera)):
        if not values.isfinite().all():
            raise ValueError(f"{name}: holds values that are not finite")
    if image_sizes is None:
        image_sizes = torch.tensor([h, w], device=images.device).expand(b, n, 2)

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
