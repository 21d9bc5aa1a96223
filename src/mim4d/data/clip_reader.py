"""From the measurements chosen for a clip to the `Clip`: files read, everything expressed in `ref`.

Poses are composed in float64 (a log's global coordinates reach kilometres) and leave in float32.
What does not exist is zero, its pose and intrinsics are the identity, and a boolean says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.augmentation import ImageDraw
from mim4d.data.body_mask import BodyMasks
from mim4d.data.boxes import boxes_of_sample
from mim4d.data.clip import Clip
from mim4d.data.images import load_image
from mim4d.data.lidar import EgoBody, read_sweep
from mim4d.data.placement import Fit, ImagePlacement, Size
from mim4d.data.tables import NuscenesTables, Rows
from mim4d.geometry.rigid import invert_rigid


@dataclass(frozen=True)
class ClipPlan:
    """The measurements of one clip.

    Attributes:
        scene: Row of the scene.
        sample: Row of the key sample.
        key: Index of the key frame.
        anchors: Row of `sample_data` that gives each frame its time and pose, `t`; -1: no frame.
        times_us: Time of each frame, `t`.
        images: Row of `sample_data` of each image, `t n`; -1: no image.
    """

    scene: int
    sample: int
    key: int
    anchors: Rows
    times_us: NDArray[np.int64]
    images: Rows


@dataclass(frozen=True)
class _Images:
    """Images of a clip while it is read; intrinsics are the identity where there is none.

    Attributes:
        levels: RGB, 0 to 255; colours lie last in memory.
        sizes: Rows and columns that are picture.
        intrinsics: Of the placed images, pixels.
        on_body: Where each camera sees the car itself; None if that is not known.
    """

    levels: UInt8[Tensor, "t n 3 h w"]
    sizes: Int[Tensor, "t n 2"]
    intrinsics: Float64[Tensor, "t n 3 3"]
    on_body: Bool[Tensor, "n h w"] | None

    @classmethod
    def of(cls, present: NDArray[np.bool_], image_hw: Size, has_masks: bool) -> "_Images":
        """Room for images, which are black where there is none; others are to be filled."""
        t, n = present.shape
        levels = torch.empty(t, n, *image_hw, 3, dtype=torch.uint8).movedim(-1, 2)
        levels[torch.from_numpy(~present)] = 0
        return cls(
            levels,
            torch.zeros(t, n, 2, dtype=torch.long),
            torch.eye(3, dtype=torch.float64).repeat(t, n, 1, 1),
            torch.zeros(n, *image_hw, dtype=torch.bool) if has_masks else None,
        )


class ClipReader:
    """Reads clips of one data set.

    Args:
        tables: The data set.
        cameras: Channels of the `n` cameras.
        lidar: Channel of the LiDAR; None: read no points.
        image_hw: Rows and columns that images are fitted into.
        fit: Whether the whole image is shown, or the target filled.
        body: LiDAR points inside are returns of the car itself.
        masks: Where cameras see the car itself; None if it is not known.
    """

    def __init__(
        self,
        tables: NuscenesTables,
        cameras: tuple[str, ...],
        lidar: str | None,
        image_hw: tuple[int, int],
        fit: Fit,
        body: EgoBody,
        masks: BodyMasks | None = None,
    ) -> None:
        self._tables = tables
        self._cameras = cameras
        self._lidar = lidar
        self._image_hw = image_hw
        self._place = partial(ImagePlacement.fitted, target_hw=image_hw, fit=fit)
        self._body = body
        self._masks = masks

    def read(self, plan: ClipPlan, draws: Sequence[ImageDraw] | None = None) -> Clip:
        """Read one clip (`b` = 1).

        Args:
            plan: The measurements.
            draws: How each camera's images are placed otherwise than usual; None: as usual.

        Raises:
            DataError: If a file is missing or damaged; it names the file and its record.
        """
        key, tables = plan.key, self._tables
        ref_from_global = invert_rigid(tables.global_from_ego(plan.anchors[key : key + 1]))[0]
        images = self._read_images(plan, draws or [ImageDraw()] * len(self._cameras))
        ref_from_ego = self._ego_poses(plan, ref_from_global)
        points, valid_points = _pad(self._read_points(plan, ref_from_ego))
        boxes = [
            boxes_of_sample(tables, sample, ref_from_global) if sample >= 0 else None
            for sample in self._samples_of_frames(plan)
        ]
        boxes_ref, valid_boxes = _pad([b.boxes_ref if b else torch.zeros(0, 9) for b in boxes])
        no_flags, no_classes = torch.zeros(0, dtype=torch.bool), torch.zeros(0, dtype=torch.long)
        velocities, _ = _pad([b.valid_velocities if b else no_flags for b in boxes])
        classes, _ = _pad([b.classes if b else no_classes for b in boxes], fill=-1)
        return Clip(
            images=images.levels[None],
            image_sizes=images.sizes[None],
            image_present=torch.from_numpy(plan.images >= 0)[None],
            intrinsics=images.intrinsics.float()[None],
            ref_from_camera=self._camera_poses(plan, ref_from_global).float()[None],
            image_times_s=self._image_times(plan)[None],
            ref_from_ego=ref_from_ego.float()[None],
            frame_times_s=_seconds(plan.times_us - plan.times_us[key])[None],
            frame_present=torch.from_numpy(plan.anchors >= 0)[None],
            key=key,
            points_ref=points[None],
            valid_points=valid_points[None],
            boxes_ref=boxes_ref[None],
            valid_boxes=valid_boxes[None],
            valid_velocities=velocities[None],
            box_classes=classes[None],
            camera_names=self._cameras,
            scene_names=(tables.scene(plan.scene).name,),
            key_tokens=(tables.sample(plan.sample).token,),
            on_body=None if images.on_body is None else images.on_body[None],
        )

    def _read_images(self, plan: ClipPlan, draws: Sequence[ImageDraw]) -> "_Images":
        """Every image of the clip, each camera's placed by its draw."""
        images = _Images.of(plan.images >= 0, self._image_hw, self._masks is not None)
        stored = self._tables.intrinsics(np.maximum(plan.images.ravel(), 0))
        stored = stored.view_as(images.intrinsics)
        for t, n in np.argwhere(plan.images >= 0).tolist():
            record = self._tables.sample_data(int(plan.images[t, n]))
            loaded = load_image(
                self._tables.root / record.filename,
                images.levels[t, n],
                partial(self._placement, draws[n]),
                (record.height_px, record.width_px),
                where=f"sample_data {record.token}: ",
            )
            shape = (loaded.stored_hw, self._image_hw)
            images.sizes[t, n] = torch.tensor(loaded.placement.picture_hw(*shape))
            images.intrinsics[t, n] = loaded.placement.target_from_stored(*shape) @ stored[t, n]
            # One mask serves all frames: their placement is the same, and so must their size be.
            if self._masks is not None and images.on_body is not None:
                self._masks.check(n, loaded.stored_hw)
                if t == np.argmax(plan.images[:, n] >= 0):
                    images.on_body[n] = self._masks.placed(n, loaded.placement, *shape)
        return images

    def _placement(self, draw: ImageDraw, stored_hw: Size) -> ImagePlacement:
        return draw.placement(self._place(stored_hw), stored_hw, self._image_hw)

    def _read_points(self, plan: ClipPlan, ref_from_ego: Float64[Tensor, "t 4 4"]) -> list[Tensor]:
        """Points of each frame in `ref`; none where the frame has no LiDAR of its own."""
        points = [torch.zeros(0, 3) for _ in plan.anchors]
        mounts = self._tables.ego_from_sensor(np.maximum(plan.anchors, 0))
        for t in np.flatnonzero(plan.anchors >= 0).tolist():
            record = self._tables.sample_data(int(plan.anchors[t]))
            if record.channel == self._lidar:
                path = self._tables.root / record.filename
                where = f"sample_data {record.token}: "
                points[t] = read_sweep(path, mounts[t], ref_from_ego[t], self._body, where)
        return points

    def _samples_of_frames(self, plan: ClipPlan) -> list[int]:
        """The sample whose annotations belong to each frame: -1 for a sweep or no frame."""
        rows = np.maximum(plan.anchors, 0)
        is_sample = (plan.anchors >= 0) & self._tables.column("sample_data", "is_key_frame")[rows]
        samples = self._tables.column("sample_data", "sample")[rows]
        return [int(sample) for sample in np.where(is_sample, samples, -1)]

    def _camera_poses(self, plan: ClipPlan, ref_from_global: Float64[Tensor, "4 4"]) -> Tensor:
        """`ref_from_camera`, `t n 4 4`: the car's pose at the exposure, then the camera's mount."""
        rows = np.maximum(plan.images.ravel(), 0)
        global_from_camera = self._tables.global_from_ego(rows) @ self._tables.ego_from_sensor(rows)
        poses = (ref_from_global @ global_from_camera).view(*plan.images.shape, 4, 4)
        return _identity_where(torch.from_numpy(plan.images < 0), poses)

    def _ego_poses(
        self, plan: ClipPlan, ref_from_global: Float64[Tensor, "4 4"]
    ) -> Float64[Tensor, "t 4 4"]:
        poses = ref_from_global @ self._tables.global_from_ego(np.maximum(plan.anchors, 0))
        # The product of a pose and its inverse is the identity but for rounding; make it exact.
        is_key = torch.arange(len(plan.anchors)) == plan.key
        return _identity_where(torch.from_numpy(plan.anchors < 0) | is_key, poses)

    def _image_times(self, plan: ClipPlan) -> Tensor:
        times = self._tables.column("sample_data", "timestamp_us")[np.maximum(plan.images, 0)]
        times = np.where(plan.images >= 0, times, plan.times_us[:, None])
        return _seconds(times - plan.times_us[plan.key])


def _pad(rows: list[Tensor], fill: int = 0) -> tuple[Tensor, Tensor]:
    """Stack tensors of different lengths, and say what is not padding."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=fill)
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def _identity_where(condition: Tensor, poses: Tensor) -> Tensor:
    return torch.where(condition[..., None, None], torch.eye(4, dtype=poses.dtype), poses)


def _seconds(times_us: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(times_us * 1e-6).float()
