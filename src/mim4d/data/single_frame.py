"""Images and cameras of one moment, without a data set, as a clip of one frame.

Pictures, intrinsics and poses enter; the `Clip` that encoders read leaves, its `ref` being the
car's own axes (x forward, y left, z up, metres). LiDAR, boxes and map are empty.
"""

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

    def filled(value: float, *shape: int, kind: torch.dtype = torch.float32) -> Tensor:
        return torch.full((b, 1, *shape), value, dtype=kind, device=images.device)

    def absent(*shape: int) -> Tensor:
        return filled(False, *shape, kind=torch.bool)

    return Clip(
        images=images.unsqueeze(1),
        image_sizes=image_sizes.unsqueeze(1),
        image_present=filled(True, n, kind=torch.bool),
        intrinsics=intrinsics.unsqueeze(1),
        ref_from_camera=ego_from_camera.unsqueeze(1),
        image_times_s=filled(0.0, n),
        ref_from_ego=torch.eye(4, device=images.device).expand(b, 1, 4, 4),
        frame_times_s=filled(0.0),
        frame_present=filled(True, kind=torch.bool),
        key=0,
        points_ref=filled(0.0, 0, 3),
        valid_points=absent(0),
        boxes_ref=filled(0.0, 0, 9),
        valid_boxes=absent(0),
        valid_velocities=absent(0),
        box_classes=filled(0, 0, kind=torch.int64),
        camera_names=tuple(f"camera_{index}" for index in range(n)),
        scene_names=("",) * b,
        key_tokens=("",) * b,
    )
