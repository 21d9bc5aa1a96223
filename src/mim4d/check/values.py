"""Numbers that cannot be right in single records: poses, intrinsics, sizes of boxes.

What enters are the tables; what leaves are findings. Metres, pixels, quaternions w x y z.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Rule
from mim4d.check.lenient_tables import TableSet, take
from mim4d.data.tables.validation import (
    bad_intrinsics,
    bad_quaternions,
    bad_sizes,
    infinite_translations,
    nameless_sensors,
)

NOT_FINITE = Rule("not-finite", "error", "finite metres", "correct or remove the record")
NOT_UNIT = Rule(
    "not-unit-quaternion", "error", "a quaternion w x y z of length 1", "normalise or correct it"
)
INTRINSICS = Rule(
    "bad-intrinsics",
    "error",
    "[[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0",
    "write the calibration anew",
)
NAMELESS = Rule(
    "sensor-without-name",
    "error",
    "a channel for every sensor",
    "name the sensor, as in CAM_FRONT or LIDAR_TOP",
)
BOX_SIZE = Rule("bad-box-size", "error", "finite, positive metres", "correct or remove the box")


def check_values(tables: TableSet, findings: Findings) -> None:
    """Numbers that make a record unusable."""
    for name in ("ego_pose", "calibrated_sensor", "sample_annotation"):
        columns = tables[name]
        sound = columns["sound"]
        for rule, bad, key in (
            (NOT_FINITE, infinite_translations(columns), "translation_m"),
            (NOT_UNIT, bad_quaternions(columns), "rotation_wxyz"),
        ):
            found = partial(_found, columns[key], key.split("_")[0])
            findings.add_rows(rule, name, columns, bad[sound[bad]], found)
    sensors = tables["sensor"]
    bad = nameless_sensors(sensors)
    bad = bad[sensors["sound"][bad]]
    findings.add_rows(NAMELESS, "sensor", sensors, bad, lambda row: "an empty channel")
    boxes = tables["sample_annotation"]
    bad = bad_sizes(boxes)
    findings.add_rows(
        BOX_SIZE,
        "sample_annotation",
        boxes,
        bad[boxes["sound"][bad]],
        partial(_found, boxes["size_wlh_m"], "size"),
    )
    calibrated = tables["calibrated_sensor"]
    is_camera = take(tables["sensor"]["modality"] == b"camera", calibrated["sensor"], False)
    bad = bad_intrinsics(calibrated, is_camera & calibrated["sound"])
    findings.add_rows(
        INTRINSICS,
        "calibrated_sensor",
        calibrated,
        bad,
        partial(_found, calibrated["intrinsics"], "camera_intrinsic"),
    )


def _found(values: NDArray[np.float64], name: str, row: int) -> str:
    return f"{name} {np.round(values[row], 4).tolist()}"
