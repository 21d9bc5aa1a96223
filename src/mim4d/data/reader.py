"""From the measurements chosen for a clip to the `Clip`: files read, everything expressed in `ref`.

Poses are composed in float64 (a log's global coordinates reach kilometres) and leave in float32.
What does not exist is zero, its pose and intrinsics are the identity, and a boolean says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.boxes import boxes_of_samples
from mim4d.data.clip import Clip
from mim4d.data.images.body_mask import BodyMasks
from mim4d.data.images.clip_images import ImageReader
from mim4d.data.images.image_draw import ImageDraw
from mim4d.data.images.image_fit import Fit
from mim4d.data.images.sky_mask import SkyMasks
from mim4d.data.lidar import EgoBody, read_sweep
from mim4d.data.tables.tables import NuscenesTables, Rows
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

    def key_alone(self) -> "ClipPlan":
        """The clip of its key frame."""
        frame = slice(self.key, self.key + 1)
        own = (self.anchors[frame], self.times_us[frame], self.images[frame])
        return ClipPlan(self.scene, self.sample, 0, *own)

    def samples_of_frames(self, tables: NuscenesTables) -> list[int]:
        """The sample whose annotations belong to each frame: -1 for a sweep or no frame."""
        rows = np.maximum(self.anchors, 0)
        is_sample = (self.anchors >= 0) & tables.column("sample_data", "is_key_frame")[rows]
        samples = tables.column("sample_data", "sample")[rows]
        return [int(sample) for sample in np.where(is_sample, samples, -1)]


@dataclass(frozen=True)
class _Poses:
    """Poses of a clip.

    Attributes:
        ref_from_global: From the log's coordinates to the car at the key frame.
        ref_from_ego: The car at each frame's time.
        ego_from_anchor: Mount of the sensor that gives each frame its time.
        ref_from_camera: Each camera at its own exposure: the car's pose then, and the mount.
    """

    ref_from_global: Float64[Tensor, "4 4"]
    ref_from_ego: Float64[Tensor, "t 4 4"]
    ego_from_anchor: Float64[Tensor, "t 4 4"]
    ref_from_camera: Float64[Tensor, "t n 4 4"]


class ClipReader:
    """Reads clips of one data set.

    Args:
        tables: The data set.
        cameras: Channels of the `n` cameras.
        lidar: Channel of the LiDAR; None: read no points.
        image_hw: Rows and columns that images are fitted into.
        fit: Whether the whole image is shown, or the target filled.
        body: LiDAR points inside are returns of the car itself.
        bodies: Where cameras see the car itself; None if it is not known.
        skies: Where images show sky; None if it is not known.
    """

    def __init__(
        self,
        tables: NuscenesTables,
        cameras: tuple[str, ...],
        lidar: str | None,
        image_hw: tuple[int, int],
        fit: Fit,
        body: EgoBody,
        bodies: BodyMasks | None = None,
        skies: SkyMasks | None = None,
    ) -> None:
        self._tables = tables
        self._cameras = cameras
        self._lidar = lidar
        self._images = ImageReader(tables, image_hw, fit, bodies, skies)
        self._body = body

    def read(self, plan: ClipPlan, draws: Sequence[ImageDraw] | None = None) -> Clip:
        """Read one clip (`b` = 1).

        Args:
            plan: The measurements.
            draws: How each camera's images are placed otherwise than usual; None: as usual.

        Raises:
            DataError: If a file is missing or damaged; it names the file and its record.
        """
        key, tables = plan.key, self._tables
        poses = self._poses(plan)
        draws = draws or [ImageDraw()] * len(self._cameras)
        images = self._images.read(plan.images, draws)
        sweeps = self._read_points(plan, poses)
        points = torch.nn.utils.rnn.pad_sequence(sweeps, batch_first=True)
        boxes = boxes_of_samples(tables, plan.samples_of_frames(tables), poses.ref_from_global)
        valid_boxes = _valid(boxes.counts)
        return Clip(
            images=images.levels[None],
            image_sizes=images.sizes[None],
            image_present=torch.from_numpy(plan.images >= 0)[None],
            intrinsics=images.intrinsics.float()[None],
            ref_from_camera=poses.ref_from_camera.float()[None],
            image_times_s=self._image_times(plan)[None],
            ref_from_ego=poses.ref_from_ego.float()[None],
            frame_times_s=_seconds(plan.times_us - plan.times_us[key])[None],
            frame_present=torch.from_numpy(plan.anchors >= 0)[None],
            key=key,
            points_ref=points[None],
            valid_points=_valid([len(sweep) for sweep in sweeps])[None],
            boxes_ref=_padded(boxes.boxes_ref, valid_boxes)[None],
            valid_boxes=valid_boxes[None],
            valid_velocities=_padded(boxes.valid_velocities, valid_boxes)[None],
            box_classes=_padded(boxes.classes, valid_boxes, fill=-1)[None],
            box_lidar_points=_padded(boxes.lidar_points, valid_boxes, fill=-1)[None],
            box_visibility=_padded(boxes.visibility, valid_boxes)[None],
            category_names=tables.category_names,
            camera_names=self._cameras,
            scene_names=(tables.scene(plan.scene).name,),
            key_tokens=(tables.sample(plan.sample).token,),
            on_body=None if images.on_body is None else images.on_body[None],
            in_sky=None if images.in_sky is None else images.in_sky[None],
            box_attributes=_padded(boxes.attributes, valid_boxes, fill=-1)[None],
            attribute_names=tables.attribute_names,
        )

    def _read_points(self, plan: ClipPlan, poses: _Poses) -> list[Tensor]:
        """Points of each frame in `ref`; none where the frame has no LiDAR of its own."""
        points = [torch.zeros(0, 3) for _ in plan.anchors]
        for t in np.flatnonzero(plan.anchors >= 0).tolist():
            record = self._tables.sample_data(int(plan.anchors[t]))
            if record.channel == self._lidar:
                path = self._tables.root / record.filename
                where = f"sample_data {record.token}: "
                mount, ref_from_ego = poses.ego_from_anchor[t], poses.ref_from_ego[t]
                points[t] = read_sweep(path, mount, ref_from_ego, self._body, where)
        return points

    def _poses(self, plan: ClipPlan) -> _Poses:
        """Every pose of the clip; the tables are asked once: a call costs more than its rows."""
        t = len(plan.anchors)
        rows = np.concatenate([plan.anchors, plan.images.ravel()])
        global_from_ego = self._tables.global_from_ego(np.maximum(rows, 0))
        ego_from_sensor = self._tables.ego_from_sensor(np.maximum(rows, 0))
        ref_from_global = invert_rigid(global_from_ego[plan.key])
        ref_from_ego = ref_from_global @ global_from_ego
        ref_from_camera = (ref_from_ego[t:] @ ego_from_sensor[t:]).view(*plan.images.shape, 4, 4)
        # The product of a pose and its inverse is the identity but for rounding; make it exact.
        is_key = torch.arange(t) == plan.key
        return _Poses(
            ref_from_global,
            _identity_where(torch.from_numpy(plan.anchors < 0) | is_key, ref_from_ego[:t]),
            ego_from_sensor[:t],
            _identity_where(torch.from_numpy(plan.images < 0), ref_from_camera),
        )

    def _image_times(self, plan: ClipPlan) -> Tensor:
        times = self._tables.column("sample_data", "timestamp_us")[np.maximum(plan.images, 0)]
        times = np.where(plan.images >= 0, times, plan.times_us[:, None])
        return _seconds(times - plan.times_us[plan.key])


def _valid(counts: Sequence[int]) -> Bool[Tensor, "t k"]:
    """What is not padding where so many things of each frame are padded to the most."""
    return torch.arange(max(counts)) < torch.tensor(counts)[:, None]


def _padded(rows: Tensor, valid: Bool[Tensor, "t k"], fill: int = 0) -> Tensor:
    """Things of all frames, one frame's after the other's, at the places that are valid."""
    padded = rows.new_full((*valid.shape, *rows.shape[1:]), fill)
    padded[valid] = rows
    return padded


def _identity_where(condition: Tensor, poses: Tensor) -> Tensor:
    return torch.where(condition[..., None, None], torch.eye(4, dtype=poses.dtype), poses)


def _seconds(times_us: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(times_us * 1e-6).float()
