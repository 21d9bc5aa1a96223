"""The nuScenes tables we read: which fields become which columns.

Each table `<name>.json` becomes a dictionary of columns, as `columns` makes them of these fields.
Tables and fields that are not listed here are never looked at.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Text:
    """A text; anything that is not a string is kept as JSON. `missing` replaces an absent field."""

    field: str
    missing: str | None = None


@dataclass(frozen=True)
class Number:
    """Numbers of a fixed shape. `missing` replaces an absent or empty field in every place."""

    field: str
    dtype: type[np.generic] = np.float64
    shape: tuple[int, ...] = ()
    missing: int | float | None = None


@dataclass(frozen=True)
class Word:
    """A text whose case does not count; it becomes lower case."""

    field: str


@dataclass(frozen=True)
class Lens:
    """What a record says of a lens under any usual name, as JSON; empty for a pinhole camera."""

    field: str


@dataclass(frozen=True)
class Link:
    """A token of table `target`. `may_be_empty`: the empty token is allowed and becomes -1.

    `may_be_absent`: so is a record without the field.
    """

    field: str
    target: str
    may_be_empty: bool = False
    may_be_absent: bool = False


@dataclass(frozen=True)
class Links:
    """A list of tokens of table `target`; an absent field is an empty list."""

    field: str
    target: str


Field = Text | Word | Lens | Number | Link | Links
"""What a field of a record is."""

_POSE = {
    "translation_m": Number("translation", shape=(3,)),
    "rotation_wxyz": Number("rotation", shape=(4,)),
}

SCHEMA: dict[str, dict[str, Field]] = {
    "log": {"token": Text("token"), "location": Text("location", missing="")},
    "scene": {
        "token": Text("token"),
        "name": Text("name"),
        "log": Link("log_token", "log"),
        "first_sample": Link("first_sample_token", "sample"),
        "last_sample": Link("last_sample_token", "sample"),
    },
    "sample": {
        "token": Text("token"),
        "timestamp_us": Number("timestamp", np.int64),
        "scene": Link("scene_token", "scene"),
        "prev": Link("prev", "sample", may_be_empty=True),
        "next": Link("next", "sample", may_be_empty=True),
    },
    "sensor": {
        "token": Text("token"),
        "channel": Text("channel"),
        "modality": Word("modality"),
    },
    "calibrated_sensor": {
        "token": Text("token"),
        "sensor": Link("sensor_token", "sensor"),
        **_POSE,
        "intrinsics": Number("camera_intrinsic", shape=(3, 3), missing=np.nan),
        "distortion": Lens("camera_distortion"),
    },
    "ego_pose": {"token": Text("token"), **_POSE},
    "sample_data": {
        "token": Text("token"),
        "sample": Link("sample_token", "sample"),
        "ego_pose": Link("ego_pose_token", "ego_pose"),
        "calibrated_sensor": Link("calibrated_sensor_token", "calibrated_sensor"),
        "timestamp_us": Number("timestamp", np.int64),
        "is_key_frame": Number("is_key_frame", np.bool_),
        "height_px": Number("height", np.int32, missing=0),
        "width_px": Number("width", np.int32, missing=0),
        "filename": Text("filename"),
        "is_valid": Number("is_valid", np.bool_, missing=True),
        "prev": Link("prev", "sample_data", may_be_empty=True),
        "next": Link("next", "sample_data", may_be_empty=True),
    },
    "category": {"token": Text("token"), "name": Text("name")},
    "attribute": {"token": Text("token"), "name": Text("name")},
    "visibility": {"token": Text("token"), "level": Text("level", missing="")},
    "instance": {"token": Text("token"), "category": Link("category_token", "category")},
    "sample_annotation": {
        "token": Text("token"),
        "sample": Link("sample_token", "sample"),
        "instance": Link("instance_token", "instance"),
        **_POSE,
        "size_wlh_m": Number("size", shape=(3,)),
        "num_lidar_points": Number("num_lidar_pts", np.int32, missing=-1),
        "num_radar_points": Number("num_radar_pts", np.int32, missing=-1),
        "visibility": Link("visibility_token", "visibility", may_be_empty=True, may_be_absent=True),
        "attributes": Links("attribute_tokens", "attribute"),
        "prev": Link("prev", "sample_annotation", may_be_empty=True),
        "next": Link("next", "sample_annotation", may_be_empty=True),
    },
}

OPTIONAL_TABLES = ("category", "attribute", "visibility", "instance", "sample_annotation")
"""Tables a data set without labels may leave out; they are then empty."""

REQUIRED_TABLES = tuple(name for name in SCHEMA if name not in OPTIONAL_TABLES)
