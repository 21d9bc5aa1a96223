"""Single records of the nuScenes tables, as typed views on the columns.

Metres, quaternions w x y z, microseconds; links are row numbers of the other table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """One drive without a break. `log` is a row of that table."""

    token: str
    name: str
    log: int


@dataclass(frozen=True)
class Sample:
    """One annotated instant of a scene. `prev` and `next` are -1 at its ends."""

    token: str
    timestamp_us: int
    scene: int
    prev: int
    next: int


@dataclass(frozen=True)
class SampleData:
    """One measurement of one sensor: a keyframe belongs to its sample, a sweep lies between.

    `height_px` and `width_px` are 0 where the table does not say.
    """

    token: str
    channel: str
    sample: int
    timestamp_us: int
    is_key_frame: bool
    height_px: int
    width_px: int
    filename: str


@dataclass(frozen=True)
class Annotation:
    """One box of one sample, in `global`. `prev` and `next` follow the same object; -1 at its ends.

    `size_wlh_m` is width, length, height, as nuScenes has it. `num_lidar_points` is -1 if unknown.
    `attributes` are names such as `vehicle.parked`; `visibility` is a level such as `v60-80`, empty
    if unknown.
    """

    token: str
    sample: int
    category: str
    translation_m: tuple[float, ...]
    rotation_wxyz: tuple[float, ...]
    size_wlh_m: tuple[float, ...]
    num_lidar_points: int
    attributes: tuple[str, ...]
    visibility: str
    prev: int
    next: int
