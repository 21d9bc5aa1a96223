"""Reads the surfaces around a key frame: from LiDAR over several key frames, or from exact truth.

LiDAR: the sweeps of the key frame and of key frames before and after it. A point inside an
annotated box moves with that box to where it is at the key frame, and is left out if it is not
annotated there. Exact truth (the embedded world's): the distance of every pixel of the key frame's
images. It serves as labels of the task alone; pre-training never opens it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mim4d.data.lidar import EgoBody, read_sweep
from mim4d.data.reader import ClipPlan
from mim4d.data.surface import Surface, join_surfaces
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import has_truth, read_distance, read_instances, read_motion
from mim4d.errors import DataError
from mim4d.geometry.rigid import invert_rigid, rotation_from_quaternion, transform_points

Source = Literal["auto", "exact", "lidar"]
_RAYS = (32, 56)
"""Rows and columns of the rays that are read of each image."""
_MARGIN_M = 0.1
"""Boxes are larger by this to every side: points on their faces are theirs."""


@dataclass(frozen=True)
class BoxAt:
    """A box at one time.

    Attributes:
        pose: From its own axes to `ref`.
        half: Half its sides, metres.
        category: Row of the data set's category.
    """

    pose: Float64[Tensor, "4 4"]
    half: Float64[Tensor, "3"]
    category: int


class SurfaceReader:
    """Reads surfaces of one data set.

    Args:
        tables: The data set.
        source: What is read; `auto` is exact truth where there is some, else LiDAR.
        lidar: Channel of the LiDAR.
        sweeps: Key frames before and after the key frame whose LiDAR is read as well.

    Raises:
        DataError: If the data set has no such source.
    """

    def __init__(
        self, tables: NuscenesTables, source: Source, lidar: str | None, sweeps: int
    ) -> None:
        exact = has_truth(tables.root)
        if source == "exact" and not exact:
            raise DataError(
                f"{tables.root}: exact truth asked for, but it has none (truth/distance); take "
                "LiDAR (--head.labels lidar)"
            )
        if source == "lidar" or not exact:
            if lidar is None:
                raise DataError(
                    f"{tables.root}: surfaces need a LiDAR channel (--clip.lidar), or exact truth"
                )
            self._lidar = lidar
        self.is_exact = exact and source != "lidar"
        self._tables = tables
        self._sweeps = sweeps

    def read(self, plan: ClipPlan) -> Surface:
        """Surfaces around the key frame of a clip.

        Raises:
            DataError: If a file is missing or damaged, or nothing was seen.
        """
        anchor = plan.anchors[plan.key : plan.key + 1]
        ref_from_global = invert_rigid(self._tables.global_from_ego(anchor)[0])
        parts = (
            self._from_images(plan, ref_from_global)
            if self.is_exact
            else self._from_lidar(plan, ref_from_global)
        )
        if not parts:
            scene = self._tables.scene(plan.scene).name
            raise DataError(f"scene {scene}: nothing was seen around one of its key frames")
        return join_surfaces(parts)

    def _from_images(
        self, plan: ClipPlan, ref_from_global: Float64[Tensor, "4 4"]
    ) -> list[Surface]:
        tables = self._tables
        motion = read_motion(tables, plan.scene)
        rows = {name: row for row, name in enumerate(tables.category_names)}
        # Instance 0 is of no category.
        category = np.array([-1, *(rows.get(str(name), -1) for name in motion.categories)])
        parts = []
        for row in plan.images[plan.key].tolist():
            if row < 0:
                continue
            record = tables.sample_data(row)
            distance = read_distance(tables.root, Path(record.filename), _RAYS).double()
            instances = read_instances(tables.root, Path(record.filename), _RAYS).numpy()
            directions = _rays(tables, row, (record.height_px, record.width_px))
            mount = np.array([row])
            pose = (
                ref_from_global @ (tables.global_from_ego(mount) @ tables.ego_from_sensor(mount))[0]
            )
            seen = distance > 0
            points = transform_points(pose, directions[seen] * distance[seen][:, None])
            parts.append(_surface(points, pose, torch.from_numpy(category[instances])[seen]))
        return parts

    def _from_lidar(self, plan: ClipPlan, ref_from_global: Float64[Tensor, "4 4"]) -> list[Surface]:
        tables = self._tables
        rows = tables.data_of_scene(plan.scene, self._lidar)
        rows = rows[tables.column("sample_data", "is_key_frame")[rows]]
        samples = tables.column("sample_data", "sample")[rows]
        now = int(np.flatnonzero(samples == plan.sample)[0]) if plan.sample in samples else -1
        near = range(max(now - self._sweeps, 0), min(now + self._sweeps + 1, len(rows)))
        boxes_now = self._boxes(plan.sample, ref_from_global)
        parts = []
        for place in near if now >= 0 else ():
            row = rows[place : place + 1]
            ego_from_lidar = tables.ego_from_sensor(row)[0]
            ref_from_ego = ref_from_global @ tables.global_from_ego(row)[0]
            file = tables.root / tables.sample_data(int(row[0])).filename
            points = read_sweep(file, ego_from_lidar, ref_from_ego, EgoBody()).double()
            boxes = self._boxes(int(samples[place]), ref_from_global)
            parts.append(moved_with_boxes(points, ref_from_ego @ ego_from_lidar, boxes, boxes_now))
        return parts

    def _boxes(self, sample: int, ref_from_global: Float64[Tensor, "4 4"]) -> dict[int, BoxAt]:
        """Boxes of a sample by instance."""
        column = self._tables.column
        found = {}
        for row in self._tables.annotations_of_sample(sample).tolist():
            instance = int(column("sample_annotation", "instance")[row])
            pose = torch.eye(4, dtype=torch.float64)
            quaternion = torch.from_numpy(column("sample_annotation", "rotation_wxyz")[row])
            pose[:3, :3] = rotation_from_quaternion(quaternion)
            pose[:3, 3] = torch.from_numpy(column("sample_annotation", "translation_m")[row])
            width, length, height = column("sample_annotation", "size_wlh_m")[row].tolist()
            half = torch.tensor([length, width, height], dtype=torch.float64) / 2 + _MARGIN_M
            category = int(column("instance", "category")[instance])
            found[instance] = BoxAt(ref_from_global @ pose, half, category)
        return found


def moved_with_boxes(
    points: Float64[Tensor, "p 3"],
    ref_from_lidar: Float64[Tensor, "4 4"],
    boxes: dict[int, BoxAt],
    boxes_now: dict[int, BoxAt],
) -> Surface:
    """Points of a sweep at the key frame: those in a box go where the box is then."""
    moved, category = points.clone(), torch.full((len(points),), -1)
    stays = torch.ones(len(points), dtype=torch.bool)
    kept = torch.ones(len(points), dtype=torch.bool)
    for instance, box in boxes.items():
        in_box = transform_points(invert_rigid(box.pose), points)
        inside = (in_box.abs() <= box.half).all(dim=-1)
        if instance not in boxes_now:
            kept &= ~inside
            continue
        now = boxes_now[instance].pose
        moved[inside] = transform_points(now, in_box[inside])
        category[inside] = box.category
        stays[inside] = bool((now - box.pose).abs().max() < _MARGIN_M)
    surface = _surface(moved, ref_from_lidar, category)
    return Surface(
        surface.points[kept], surface.origins[kept], stays[kept], surface.categories[kept]
    )


def _surface(
    points: Float64[Tensor, "r 3"], pose: Float64[Tensor, "4 4"], categories: Tensor
) -> Surface:
    origins = pose[:3, 3].expand_as(points)
    free = torch.ones(len(points), dtype=torch.bool)
    return Surface(points.float(), origins.float(), free, categories.long())


def _rays(tables: NuscenesTables, row: int, size: tuple[int, int]) -> Float64[Tensor, "h w 3"]:
    """Unit directions, in camera axes, of the pixels that `read_distance` reads for `_RAYS`."""
    rows, columns = (
        ((np.arange(count) + 0.5) / count * pixels).astype(int) + 0.5
        for count, pixels in zip(_RAYS, size, strict=True)
    )
    u, v = np.meshgrid(columns, rows)
    intrinsics = tables.intrinsics(np.array([row]))[0].numpy()
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(intrinsics).T
    return torch.from_numpy(rays / np.linalg.norm(rays, axis=-1, keepdims=True))
