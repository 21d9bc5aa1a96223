"""The nuScenes-format tables of a data set: opened once, looked up by row number.

`NuscenesTables.open(root)` reads the JSON tables, checks them and keeps them as memory-mapped
columns in a cache outside the data set; later openings take milliseconds, whatever the size.
Records are views. Poses come out as float64 matrices, because a log's global coordinates reach
kilometres.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.tables.column_cache import (
    content_key,
    default_cache_dir,
    load_columns,
    save_columns,
)
from mim4d.data.tables.columns import Bytes, Columns
from mim4d.data.tables.dataset_folder import find_version
from mim4d.data.tables.plausibility import check_plausible
from mim4d.data.tables.read_tables import find_rows, read_tables
from mim4d.data.tables.records import Annotation, Sample, SampleData, Scene
from mim4d.data.tables.schema import SCHEMA
from mim4d.data.tables.validation import check_tables
from mim4d.errors import MachineError
from mim4d.geometry.rigid import rigid_from_rotation_translation, rotation_from_quaternion

Rows = NDArray[Any]
"""Row numbers of one table."""

_LOGGER = logging.getLogger(__name__)


class NuscenesTables:
    """Columns of the tables, and what is looked up in them. Make one with `open`.

    Args:
        root: Folder of the data set; file names are relative to it.
        version: Name of the folder of tables in it.
        columns: Columns by table; `index` holds the derived groupings.
        cache_dir: As given to `open`.
    """

    def __init__(
        self, root: Path, version: str, columns: dict[str, Columns], cache_dir: Path | None = None
    ) -> None:
        self.root = root
        self.version = version
        self._cache_dir = cache_dir
        self._columns = columns
        self._channels = tuple(_texts(columns["index"]["channel"]))

    @classmethod
    def open(
        cls, root: Path | str, version: str | None = None, cache_dir: Path | None = None
    ) -> "NuscenesTables":
        """Open the tables of `root/version`, from the cache if it has them.

        Args:
            root: Folder of the data set.
            version: Name of the folder of tables; None if there is only one.
            cache_dir: Where to keep the columns; by default `$MIM4D_CACHE`, else
                `$XDG_CACHE_HOME/mim4d`, else `~/.cache/mim4d`.

        Raises:
            DataError: If a folder or table is missing, or the tables are not valid.
        """
        root = Path(root)
        version = find_version(root, version)
        folder = root / version
        files = [file for name in SCHEMA if (file := folder / f"{name}.json").is_file()]
        cache = (cache_dir or default_cache_dir()) / "nuscenes" / content_key(files)
        columns = load_columns(cache)
        if columns is None:
            columns = read_tables(folder)
            check_tables(folder, columns)
            check_plausible(folder, columns)
            columns["index"] = _index(columns)
            try:
                save_columns(cache, columns)
            except MachineError as error:  # no fault of the data, and memory serves as well
                _LOGGER.warning("%s; the tables are kept in memory and read anew next time", error)
            # Should the cache vanish at once (a full disk being cleaned), memory serves as well.
            columns = load_columns(cache) or columns
        return cls(root, version, columns, cache_dir)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process maps the cache itself; pickling a map would copy all that it holds.
        return NuscenesTables.open, (self.root, self.version, self._cache_dir)

    def column(self, table: str, name: str) -> NDArray[Any]:
        """One column of a table."""
        return self._columns[table][name]

    def column_names(self, table: str) -> list[str]:
        """Names of the columns of a table, sorted."""
        return sorted(self._columns[table])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._columns["sample"]["token"])

    def find(self, table: str, token: str) -> int:
        """Row of a token.

        Raises:
            KeyError: If the table has no such token.
        """
        row = int(find_rows(self._columns[table], np.array([token.encode()], np.bytes_))[0])
        if row < 0:
            raise KeyError(f"table {table} of {self.root / self.version} has no token {token!r}")
        return row

    def scene(self, row: int) -> Scene:
        """One scene."""
        c = self._columns["scene"]
        return Scene(c["token"][row].decode(), c["name"][row].decode(), int(c["log"][row]))

    def sample(self, row: int) -> Sample:
        """One sample."""
        c = self._columns["sample"]
        names = ("timestamp_us", "scene", "prev", "next")
        time, scene, prev, next_ = (int(c[name][row]) for name in names)
        return Sample(c["token"][row].decode(), time, scene, prev, next_)

    def sample_data(self, row: int) -> SampleData:
        """One measurement."""
        c = self._columns["sample_data"]
        return SampleData(
            token=c["token"][row].decode(),
            channel=self._channels[self._columns["index"]["channel_of_data"][row]],
            sample=int(c["sample"][row]),
            timestamp_us=int(c["timestamp_us"][row]),
            is_key_frame=bool(c["is_key_frame"][row]),
            height_px=int(c["height_px"][row]),
            width_px=int(c["width_px"][row]),
            filename=c["filename"][row].decode(),
        )

    def annotation(self, row: int) -> Annotation:
        """One annotated box."""
        c = self._columns["sample_annotation"]
        category = self._columns["instance"]["category"][c["instance"][row]]
        attribute = self._columns["attribute"]["name"]
        visibility = int(c["visibility"][row])
        level = self._columns["visibility"]["level"][visibility] if visibility >= 0 else b""
        return Annotation(
            token=c["token"][row].decode(),
            sample=int(c["sample"][row]),
            category=self._columns["category"]["name"][category].decode(),
            translation_m=tuple(c["translation_m"][row].tolist()),
            rotation_wxyz=tuple(c["rotation_wxyz"][row].tolist()),
            size_wlh_m=tuple(c["size_wlh_m"][row].tolist()),
            num_lidar_points=int(c["num_lidar_points"][row]),
            attributes=tuple(attribute[a].decode() for a in c["attributes"][row] if a >= 0),
            visibility=level.decode(),
            prev=int(c["prev"][row]),
            next=int(c["next"][row]),
        )

    @property
    def scene_names(self) -> tuple[str, ...]:
        """Name of every scene."""
        return tuple(_texts(self._columns["scene"]["name"]))

    @property
    def category_names(self) -> tuple[str, ...]:
        """Name of every category of boxes."""
        return tuple(_texts(self._columns["category"]["name"]))

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Name of every attribute of boxes."""
        return tuple(_texts(self._columns["attribute"]["name"]))

    def channels(self, modality: str) -> tuple[str, ...]:
        """Sorted channels of one modality ('camera', 'lidar', 'radar') that measured anything."""
        sensor = self._columns["sensor"]
        used = set(self._channels)
        of_modality = sensor["channel"][sensor["modality"] == modality.encode()]
        return tuple(sorted(used.intersection(_texts(of_modality))))

    def mounted(self, modality: str) -> tuple[str, ...]:
        """Sorted channels of one modality, whether they measured anything or not."""
        sensor = self._columns["sensor"]
        return tuple(sorted({*_texts(sensor["channel"][sensor["modality"] == modality.encode()])}))

    def samples_of_scene(self, scene: int) -> Rows:
        """Samples of a scene, oldest first."""
        return self._group("sample_by_scene", scene)

    def data_of_scene(self, scene: int, channel: str) -> Rows:
        """Measurements of one channel in a scene, keyframes and sweeps, oldest first."""
        if channel not in self._channels:
            return np.zeros(0, np.int32)
        group = scene * len(self._channels) + self._channels.index(channel)
        return self._group("data_by_scene_and_channel", group)

    def annotations_of_sample(self, sample: int) -> Rows:
        """Annotations of a sample."""
        return self._group("annotation_by_sample", sample)

    def _group(self, name: str, group: int) -> Rows:
        index = self._columns["index"]
        start, stop = index[f"{name}_start"][group : group + 2]
        return np.asarray(index[name][start:stop])

    def global_from_ego(self, data_rows: Rows) -> Float64[Tensor, "m 4 4"]:
        """Pose of the car at each measurement's own time."""
        return _poses(self._columns["ego_pose"], self.column("sample_data", "ego_pose")[data_rows])

    def ego_from_sensor(self, data_rows: Rows) -> Float64[Tensor, "m 4 4"]:
        """Mount of each measurement's sensor on the car."""
        rows = self.column("sample_data", "calibrated_sensor")[data_rows]
        return _poses(self._columns["calibrated_sensor"], rows)

    def intrinsics(self, data_rows: Rows) -> Float64[Tensor, "m 3 3"]:
        """Intrinsics of each measurement's camera, for the image as stored; NaN if it is none."""
        rows = self.column("sample_data", "calibrated_sensor")[data_rows]
        return torch.from_numpy(self.column("calibrated_sensor", "intrinsics")[rows])


def _index(tables: dict[str, Columns]) -> Columns:
    """Samples by scene, data by scene and channel, annotations by sample; each oldest first."""
    data, sample = tables["sample_data"], tables["sample"]
    sensor_of_data = tables["calibrated_sensor"]["sensor"][data["calibrated_sensor"]]
    # Several sensor records may share a channel (one per log, say): the channel counts.
    used = np.zeros(len(tables["sensor"]["token"]), np.bool_)
    used[sensor_of_data] = True
    channel = np.unique(tables["sensor"]["channel"][used])
    channel_of_sensor = np.searchsorted(channel, tables["sensor"]["channel"])
    channel_of_data = channel_of_sensor[sensor_of_data].astype(np.int32)
    group = sample["scene"][data["sample"]].astype(np.int64) * len(channel) + channel_of_data
    # What its own record calls invalid (a picture that stands for a lost one) belongs to no group.
    group = np.where(data["is_valid"], group, -1)
    num_scenes = len(tables["scene"]["token"])
    return {
        "channel": channel,
        "channel_of_data": channel_of_data,
        **_grouped("sample_by_scene", sample["scene"], sample["timestamp_us"], num_scenes),
        **_grouped(
            "data_by_scene_and_channel", group, data["timestamp_us"], num_scenes * len(channel)
        ),
        **_grouped(
            "annotation_by_sample",
            tables["sample_annotation"]["sample"],
            np.arange(len(tables["sample_annotation"]["sample"])),
            len(sample["token"]),
        ),
    }


def _grouped(name: str, group: Rows, order: NDArray[Any], num_groups: int) -> Columns:
    """Rows sorted by group, then by `order`; group `g` is `rows[start[g]:start[g + 1]]`."""
    rows = np.lexsort((order, group)).astype(np.int32)
    start = np.searchsorted(group[rows], np.arange(num_groups + 1)).astype(np.int64)
    return {name: rows, f"{name}_start": start}


def _poses(columns: Columns, rows: Rows) -> Float64[Tensor, "m 4 4"]:
    rotation = rotation_from_quaternion(torch.from_numpy(columns["rotation_wxyz"][rows]))
    translation = torch.from_numpy(columns["translation_m"][rows])
    return rigid_from_rotation_translation(rotation, translation)


def _texts(column: Bytes) -> list[str]:
    return [text.decode() for text in column.tolist()]
