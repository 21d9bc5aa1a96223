"""The LiDAR sweep that belongs to a frame of a clip, for whoever measures against it.

A clip read without LiDAR keeps the time and pose of its front camera; its frames can still be
compared with the sweep nearest in time, which is placed by its own pose. Metres, in `ref`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mim4d.data.lidar import EgoBody, read_sweep
from mim4d.data.reader import ClipPlan
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.timeline import nearest_within
from mim4d.geometry.rigid import invert_rigid

TOLERANCE_US = 100_000.0
"""How far from a frame its sweep may be; what moves stands elsewhere by then."""
_BODY = EgoBody()


@dataclass(frozen=True)
class FrameSweep:
    """One sweep in the clip's `ref`.

    Attributes:
        points_ref: Its returns, without those of the car itself, metres.
        origin_ref: Where the sensor was at the sweep's time.
    """

    points_ref: Float[Tensor, "p 3"]
    origin_ref: Float[Tensor, " 3"]


def nearest_sweep(
    tables: NuscenesTables, plan: ClipPlan, frame: int, channel: str, keyframes: bool
) -> FrameSweep | None:
    """The sweep nearest in time to a frame; None if there is none within `TOLERANCE_US`.

    Args:
        tables: The data set.
        plan: The clip.
        frame: Index of the frame.
        channel: The LiDAR.
        keyframes: Take sweeps of key frames only (the files of others may be absent).

    Raises:
        DataError: If the file is missing or damaged.
    """
    rows = tables.data_of_scene(plan.scene, channel)
    if keyframes:
        rows = rows[tables.column("sample_data", "is_key_frame")[rows]]
    times = tables.column("sample_data", "timestamp_us")[rows]
    found = int(nearest_within(times, plan.times_us[frame : frame + 1], TOLERANCE_US)[0])
    if found < 0:
        return None
    sweep = int(rows[found])
    record = tables.sample_data(sweep)
    poses = tables.global_from_ego(np.array([plan.anchors[plan.key], sweep]))
    ref_from_ego = invert_rigid(poses[0]) @ poses[1]
    mount = tables.ego_from_sensor(np.array([sweep]))[0]
    where = f"sample_data {record.token}: "
    points = read_sweep(tables.root / record.filename, mount, ref_from_ego, _BODY, where)
    return FrameSweep(points, (ref_from_ego @ mount)[:3, 3].float())
