"""A wrong calibration is seen on real video, a right one too, and doubt is told as doubt."""

import math
from pathlib import Path

import numpy as np
import pytest

from mim4d.check.check_data import check_data
from mim4d.check.findings import Findings
from mim4d.check.lidar_camera import Offset, judge_offsets
from tests.data.tiny_dataset import Rows, edit_table


def verdicts(yaw: Offset, pitch: Offset) -> list[tuple[str, str]]:
    findings = Findings()
    judge_offsets(yaw, pitch, findings)
    return sorted((finding.group, finding.rule.code) for finding in findings)


def test_verdicts() -> None:
    right, wrong = Offset(0.2, 0.1, 1.2), Offset(-0.6, 0.1, 1.2)
    assert verdicts(right, wrong) == [("pitch", "calibration-turned"), ("yaw", "calibration-fits")]
    uncertain, flat = Offset(1.0, 0.4, 1.2), Offset(1.0, 0.1, 1.01)
    assert verdicts(uncertain, flat) == [
        ("pitch", "calibration-unknown"),
        ("yaw", "calibration-unknown"),
    ]
    # 0.4 is beyond the tolerance, but not beyond it by two uncertainties.
    assert verdicts(Offset(0.4, 0.1, 1.2), right)[1] == ("yaw", "calibration-fits")


def linked_copy(source: Path, target: Path) -> Path:
    """The tables copied, the files linked."""
    target.mkdir()
    for folder in ("samples", "maps"):
        (target / folder).symlink_to(source / folder)
    (target / "v1.0-mini").mkdir()
    for path in source.glob("v1.0-mini/*.json"):
        (target / "v1.0-mini" / path.name).write_text(path.read_text())
    return target


@pytest.mark.parametrize(("axis", "named"), [((0, 1, 0), "yaw"), ((1, 0, 0), "pitch")])
@pytest.mark.slow
def test_cameras_turned_by_a_degree_are_seen(
    real_data: Path, tmp_path: Path, axis: tuple[int, int, int], named: str
) -> None:
    root = linked_copy(real_data / "real_video", tmp_path / "data")

    def turn(rows: Rows) -> None:
        for row in rows:
            if row["camera_intrinsic"]:
                row["rotation"] = turned(row["rotation"], axis, math.radians(1.0))

    edit_table(root, "calibrated_sensor", turn)
    report = check_data(root)
    (finding,) = [f for f in report.findings if f.rule.severity != "remark"]
    assert finding.rule.code == "calibration-turned"
    assert finding.group == named
    assert " ± 0." in finding.places[0].found
    assert report.exit_status == 1


def turned(quaternion: list[float], axis: tuple[int, int, int], angle: float) -> list[float]:
    """The quaternion times a turn about one of the camera's own axes."""
    w, v = quaternion[0], np.array(quaternion[1:])
    c, s = math.cos(angle / 2), math.sin(angle / 2) * np.array(axis)
    return [float(w * c - v @ s), *(w * s + c * v + np.cross(v, s)).tolist()]
