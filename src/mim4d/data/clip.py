"""The clip: T frames of N cameras around a key frame, with everything expressed in `ref`.

`ref` is the ego frame at the key frame. Frames are ordered oldest first; the key frame may be any
of them. Every image has its own pose and time; LiDAR is that of each frame's own time. Ragged
things (points, boxes, cameras or frames that do not exist) are padded, and a boolean says what is
real.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from mim4d.data.maps.map_patch import MapPatch
from mim4d.data.surface import Surface
from mim4d.geometry.rigid import compose, invert_rigid
from mim4d.tensors.records import by_field, map_tensors, take

_OF_CLIPS = ("scene_names", "key_tokens", "maps", "surfaces")
"""Fields that are no tensors and have an entry per clip."""
_OF_BOXES = (
    "boxes_ref",
    "valid_boxes",
    "valid_velocities",
    "box_classes",
    "box_lidar_points",
    "box_visibility",
    "box_attributes",
)
_FILLS = {"box_classes": -1, "box_lidar_points": -1, "box_attributes": -1}
"""What padding is filled with where that is not 0."""
_NOT_BY_FRAME = ("on_body", "maps", "surfaces")
"""Fields without an axis of frames."""


@dataclass(frozen=True)
class Clip:
    """A batch of `b` clips (`b` = 1 as the reader returns it; `collate` joins them).

    Where a frame or an image does not exist, its pose and intrinsics are the identity.

    Attributes:
        images: RGB levels 0 to 255, resized and padded at the right and the bottom (padding is 0);
            colours lie last in memory. `pixels.unit_colours` makes colours in [0, 1] of them.
        image_sizes: Rows and columns of each image that are picture, not padding.
        image_present: Whether the image exists. A missing one is all zeros and gets no rays.
        intrinsics: Of the resized image, pixels; the first pixel's corner is (0, 0).
        ref_from_camera: Pose of each camera at its own exposure.
        image_times_s: Exposure time relative to the key frame's time, seconds.
        ref_from_ego: Pose of the car at each frame's time.
        frame_times_s: Time of each frame relative to the key frame, seconds; 0 at the key frame.
        frame_present: Whether the frame exists (a clip that starts before its scene has gaps).
        key: Index of the key frame.
        points_ref: LiDAR points of each frame's own sweep.
        valid_points: Which of them are points, not padding.
        boxes_ref: Annotated boxes of each frame: centre, length, width, height (metres), yaw
            (radians, counter-clockwise from +x of `ref`), vx, vy (m/s).
        valid_boxes: Which of them are boxes, not padding.
        valid_velocities: Boxes whose velocity is known; it is 0 elsewhere.
        box_classes: Index into `category_names`; -1 where padded.
        box_lidar_points: LiDAR points in each box, as the annotation counts them; -1 where it does
            not say, and where padded.
        box_visibility: How much of each box the cameras see together, as nuScenes' token: 1 (up to
            40 %), 2 (60 %), 3 (80 %), 4 (more); 0 where the annotation does not say, and where
            padded.
        category_names: The data set's classes of boxes.
        camera_names: Channel of each camera, e.g. CAM_FRONT.
        scene_names: Scene of each clip of the batch.
        key_tokens: Token of each clip's key sample.
        on_body: Where each camera sees the car that carries it, in every frame; None if not known.
        maps: The vector map around the car at each clip's key frame; None if it was not asked for.
        in_sky: Where each image shows sky; None if not known.
        box_attributes: Index into `attribute_names`; -1 for none, and where padded. None if nobody
            asked the data for them.
        attribute_names: The data set's attributes of boxes, such as vehicle.parked.
        surfaces: What was seen around the car at each clip's key frame, for labels of occupancy;
            None if it was not asked for.
        given_depths: Depth (z in the camera) of every pixel, metres, which the lifting takes in the
            place of the depth head's; 0 where the head's own stands. None gives none.
    """

    images: UInt8[Tensor, "b t n 3 h w"]
    image_sizes: Int[Tensor, "b t n 2"]
    image_present: Bool[Tensor, "b t n"]
    intrinsics: Float[Tensor, "b t n 3 3"]
    ref_from_camera: Float[Tensor, "b t n 4 4"]
    image_times_s: Float[Tensor, "b t n"]
    ref_from_ego: Float[Tensor, "b t 4 4"]
    frame_times_s: Float[Tensor, "b t"]
    frame_present: Bool[Tensor, "b t"]
    key: int
    points_ref: Float[Tensor, "b t p 3"]
    valid_points: Bool[Tensor, "b t p"]
    boxes_ref: Float[Tensor, "b t k 9"]
    valid_boxes: Bool[Tensor, "b t k"]
    valid_velocities: Bool[Tensor, "b t k"]
    box_classes: Int[Tensor, "b t k"]
    box_lidar_points: Int[Tensor, "b t k"]
    box_visibility: Int[Tensor, "b t k"]
    category_names: tuple[str, ...]
    camera_names: tuple[str, ...]
    scene_names: tuple[str, ...]
    key_tokens: tuple[str, ...]
    on_body: Bool[Tensor, "b n h w"] | None = None
    maps: tuple[MapPatch, ...] | None = None
    in_sky: Bool[Tensor, "b t n h w"] | None = None
    box_attributes: Int[Tensor, "b t k"] | None = None
    attribute_names: tuple[str, ...] = ()
    surfaces: tuple[Surface, ...] | None = None
    given_depths: Float[Tensor, "b t n h w"] | None = None

    @property
    def batch_size(self) -> int:
        """Number of clips."""
        return self.images.shape[0]

    @property
    def num_frames(self) -> int:
        """Frames per clip."""
        return self.images.shape[1]

    @property
    def num_cameras(self) -> int:
        """Cameras per frame."""
        return self.images.shape[2]

    @property
    def frame_seen(self) -> Bool[Tensor, "b t"]:
        """Frames that exist and have an image: the others say nothing of what they hold."""
        return self.frame_present & self.image_present.any(dim=2)

    @property
    def num_bytes(self) -> int:
        """Size of all tensors."""
        values = [getattr(self, field.name) for field in fields(self)]
        return sum(value.nbytes for value in values if isinstance(value, Tensor))

    def to(self, device: torch.device | str) -> "Clip":
        """The same clip with every tensor on `device`."""
        return map_tensors(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Clip":
        """The same clip in page-locked memory (called by torch's loader)."""
        return map_tensors(self, Tensor.pin_memory)

    def key_frame(self) -> "Clip":
        """The clip of the key frame alone: views of this one."""
        now = slice(self.key, self.key + 1)
        return replace(take(self, (slice(None), now), shared=_NOT_BY_FRAME), key=0)


def ego_from_camera(clip: Clip) -> Float[Tensor, "b t n 4 4"]:
    """Pose of each camera at its own exposure in its frame's ego axes."""
    return compose(invert_rigid(clip.ref_from_ego).unsqueeze(2), clip.ref_from_camera)


def collate(clips: Sequence[Clip]) -> Clip:
    """Join clips of the same frames × cameras × image size into one batch.

    Points and boxes are padded to the longest of the batch.

    Raises:
        ValueError: If the clips differ in key frame, cameras, image size or classes of boxes, or
            only some of them have a map.
    """
    first = clips[0]
    for clip in clips[1:]:
        if clip.key != first.key or clip.camera_names != first.camera_names:
            raise ValueError(
                f"clips of one batch must share key frame and cameras; got key {first.key} and "
                f"{clip.key}, cameras {first.camera_names} and {clip.camera_names}"
            )
        if clip.images.shape[1:] != first.images.shape[1:]:
            raise ValueError(
                f"clips of one batch must share frames, cameras and image size; got "
                f"{tuple(first.images.shape[1:])} and {tuple(clip.images.shape[1:])}"
            )
    if len({clip.category_names for clip in clips}) > 1:
        raise ValueError("clips of one batch must share the data set's classes of boxes")
    if len({clip.maps is None for clip in clips}) > 1:
        raise ValueError("clips of one batch must all have a map, or none of them")
    if len(clips) == 1:
        return first
    return by_field(clips, _collated)


def separate(batch: Clip) -> list[Clip]:
    """The clips of a batch, one by one, as they were before `collate` padded and joined them.

    Views of the batch, but for what padding is cut off.
    """
    if batch.batch_size == 1:
        return [batch]
    return [_clip_of(batch, i) for i in range(batch.batch_size)]


def _clip_of(batch: Clip, i: int) -> Clip:
    num_points, num_boxes = _longest(batch.valid_points[i]), _longest(batch.valid_boxes[i])
    lengths = {"points_ref": num_points, "valid_points": num_points}
    lengths |= {name: num_boxes for name in _OF_BOXES}

    def of_clip(name: str, values: list[Any]) -> Any:
        (value,) = values
        if value is not None and (isinstance(value, Tensor) or name in _OF_CLIPS):
            value = value[i : i + 1]
        cut = name in lengths and value is not None
        return value[:, :, : lengths[name]] if cut else value

    return by_field([batch], of_clip)


def _collated(name: str, values: list[Any]) -> Any:
    """A field of a batch, made of that of its clips."""
    if isinstance(values[0], Tensor):
        return _join(values, fill=_FILLS.get(name, 0))
    if name in _OF_CLIPS and values[0] is not None:
        return tuple(item for items in values for item in items)
    return values[0]


def _longest(valid: Bool[Tensor, "t k"]) -> int:
    """Length of the longest row without the padding at its end."""
    columns = valid.any(dim=0).nonzero()
    return int(columns[-1]) + 1 if len(columns) else 0


def _join(tensors: Sequence[Tensor], fill: int) -> Tensor:
    """Copy each tensor once into a batch; axis 2 (points, boxes) is padded to the longest."""
    first = tensors[0]
    batch = sum(len(tensor) for tensor in tensors)
    if first.ndim == 6:  # images: their colours stay last in memory
        _, t, n, c, h, w = first.shape
        joined = first.new_empty(batch, t, n, h, w, c).movedim(-1, 3)
    elif len({tensor.shape[2:] for tensor in tensors}) > 1:
        longest = max(tensor.shape[2] for tensor in tensors)
        joined = first.new_full((batch, first.shape[1], longest, *first.shape[3:]), fill)
    else:
        joined = first.new_empty(batch, *first.shape[1:])
    start = 0
    for tensor in tensors:
        place = joined[start : start + len(tensor)]
        (place[:, :, : tensor.shape[2]] if tensor.ndim > 2 else place).copy_(tensor)
        start += len(tensor)
    return joined
