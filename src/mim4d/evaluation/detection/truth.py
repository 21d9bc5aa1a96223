"""What is true of samples: annotated boxes that count, the car's place, bicycle racks; `global`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from mim4d.data.boxes import velocities, visibility_levels
from mim4d.data.selection import FRONT_CAMERA
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from mim4d.evaluation.detection.submission import yaws_of_quaternions
from mim4d.geometry.rigid import rotation_from_quaternion
from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.classes import NO_CLASS, RACK, ClassTable, class_rows
from mim4d.metrics.detection.filtering import Racks
from mim4d.metrics.detection.rules import ATTRIBUTES


@dataclass(frozen=True)
class SampleTruth:
    """What is true of some samples.

    Attributes:
        tokens: Of the samples, by number.
        boxes: All annotations of the ten classes, in range or not.
        ego_xy_m: The car's place at each sample.
        racks: Bicycle racks.
    """

    tokens: list[str]
    boxes: BoxTable
    ego_xy_m: Float[np.ndarray, "s 2"]
    racks: Racks


def read_truth(
    tables: NuscenesTables, samples: Sequence[int], table: ClassTable | None = None
) -> SampleTruth:
    """Read the truth of samples (rows of the table).

    Raises:
        DataError: If the data set has no box of the ten classes, or a sample no pose.
    """
    try:
        of_category = np.array(class_rows(tables.category_names, table))
    except ValueError as error:
        raise DataError(f"{tables.root / tables.version}: {error}") from error
    groups = [tables.annotations_of_sample(sample) for sample in samples]
    rows = np.concatenate([np.zeros(0, np.int64), *groups]).astype(np.int64)
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    instances = tables.column("sample_annotation", "instance")[rows]
    categories = tables.column("instance", "category")[instances]
    classes = of_category[categories]
    counted = classes != NO_CLASS
    if len(rows) == 0:
        raise DataError(
            f"{tables.root / tables.version}: the {len(samples)} samples asked for have no "
            "annotated box; detections can only be judged on data with boxes"
        )
    is_rack = np.array([name == RACK for name in tables.category_names])[categories]
    tokens = tables.column("sample", "token")
    return SampleTruth(
        [tokens[sample].decode() for sample in samples],
        _boxes(tables, rows[counted], numbers[counted], classes[counted]),
        _ego_positions(tables, samples),
        _racks(tables, rows[is_rack], numbers[is_rack]),
    )


def _boxes(
    tables: NuscenesTables,
    rows: Int[np.ndarray, " k"],
    numbers: Int[np.ndarray, " k"],
    classes: Int[np.ndarray, " k"],
) -> BoxTable:
    def column(name: str) -> np.ndarray:
        return tables.column("sample_annotation", name)[rows]

    velocity, known = velocities(tables, rows)
    lidar, radar = (
        column(f"num_{sensor}_points").astype(np.int64) for sensor in ("lidar", "radar")
    )
    return BoxTable(
        samples=numbers,
        classes=classes,
        centres_m=column("translation_m"),
        sizes_m=column("size_wlh_m")[:, [1, 0, 2]],
        yaws_rad=yaws_of_quaternions(column("rotation_wxyz")),
        velocities_m_s=np.where(known[:, None], velocity[:, :2], np.nan),
        attributes=attribute_rows(tables)[column("attributes")].max(axis=1, initial=-1),
        scores=np.full(len(rows), np.nan),
        points=np.where(lidar < 0, -1, lidar + np.maximum(radar, 0)),
        visibilities=visibility_levels(tables, rows),
    )


def attribute_rows(tables: NuscenesTables) -> Int[np.ndarray, " a"]:
    """Which of `ATTRIBUTES` each attribute of a data set is; one more row, -1, for none."""
    known = {name: number for number, name in enumerate(ATTRIBUTES)}
    names = tables.column("attribute", "name").tolist()
    return np.array([*(known.get(name.decode(), -1) for name in names), -1])


def _ego_positions(tables: NuscenesTables, samples: Sequence[int]) -> Float[np.ndarray, "s 2"]:
    """The car at the LiDAR's key frame of each sample, or at the front camera's without one."""
    found = np.full(len(tables), -1, np.int64)
    channels = [FRONT_CAMERA, *tables.channels("camera")[:1], *tables.channels("lidar")[::-1]]
    scenes = np.unique(tables.column("sample", "scene")[list(samples)])
    for channel in channels:  # the last one that a sample has decides
        for scene in scenes.tolist():
            rows = tables.data_of_scene(scene, channel)
            rows = rows[tables.column("sample_data", "is_key_frame")[rows]]
            found[tables.column("sample_data", "sample")[rows]] = rows
    chosen = found[list(samples)]
    if (chosen < 0).any():
        sample = int(np.asarray(samples)[chosen < 0][0])
        raise DataError(
            f"{tables.root / tables.version}: sample {tables.sample(sample).token} has no key "
            "frame of a LiDAR or camera, so the car's place is not known"
        )
    return tables.global_from_ego(chosen)[:, :2, 3].numpy()


def _racks(
    tables: NuscenesTables, rows: Int[np.ndarray, " m"], numbers: Int[np.ndarray, " m"]
) -> Racks:
    centre, size, rotation = (
        tables.column("sample_annotation", name)[rows]
        for name in ("translation_m", "size_wlh_m", "rotation_wxyz")
    )
    return Racks(
        numbers,
        centre,
        size[:, [1, 0, 2]],
        rotation_from_quaternion(torch.from_numpy(np.ascontiguousarray(rotation))).numpy(),
    )
