"""What the LiDAR sweeps hold: finite points, how many, how far, and how many in the boxes.

What enters is the file of one measurement; what leaves are a few facts about it, so that files can
be read by several threads and no points are kept. Metres.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mim4d.check.cameras import rotations
from mim4d.check.files import FileList, add_files
from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.ground import Ground, find_ground, judge_ground
from mim4d.check.lenient_tables import Rows, TableSet
from mim4d.check.poses import ego_columns
from mim4d.data.point_values import (
    FAR_M,
    MIN_POINTS,
    NUMBERS_PER_POINT,
    at_sensor,
    implausible_values,
    other_format,
)

MAX_LOST_SHARE = 0.5
FEW_SHARE = 0.1
MAX_OTHER_UNITS_M = 1e7
"""Farther than kilometres in millimetres: not another unit, but another layout."""
MAX_AT_SENSOR_SHARE = 0.9
MIN_STATED = 5
"""Boxes with fewer points say nothing about the counts."""
MAX_COUNT_ERROR = 0.5
MIN_COUNT_RATIO = 0.1

NO_POINT = Rule("no-finite-point", "error", "finite points", "restore the file")
LOST = Rule(
    "not-finite-points",
    "warning",
    f"at most {MAX_LOST_SHARE:.0%} of points that are NaN or infinite",
    "restore the file",
)
SOME_LOST = Rule(
    "some-points-not-finite", "remark", "finite points", "nothing; the others are read"
)
FEW = Rule(
    "few-points",
    "warning",
    f"{FEW_SHARE:.0%} of the usual number of points at least",
    "look at the sweep: the sensor may have been covered",
)
REACH = Rule("lidar-units", "error", f"points within {FAR_M:g} m", "convert the points to metres")
LAYOUT = Rule(
    "lidar-layout",
    "error",
    "x, y, z (metres), intensity, ring as little-endian float32, and nothing before them",
    "write the sweeps anew",
)
AT_SENSOR = Rule(
    "returns-at-sensor",
    "remark",
    "returns from the surroundings",
    "nothing; the reader leaves those at the sensor itself out",
)
ONLY_AT_SENSOR = Rule(
    "mostly-at-sensor",
    "warning",
    f"at most {MAX_AT_SENSOR_SHARE:.0%} of the points at the sensor itself",
    "look at the sweep: hardly anything was measured",
)
RING = Rule("ring-zero", "remark", "the ring of every point", "nothing; rings are not used")
COUNTS = Rule(
    "lidar-counts",
    "warning",
    "about as many points in the boxes as num_lidar_pts says",
    "check poses, the mount of the LiDAR and the boxes: they may not fit together",
)
SCALED_COUNTS = Rule(
    "lidar-counts-scaled",
    "remark",
    "as many points in the boxes as num_lidar_pts says",
    "nothing, if the boxes were made with a denser cloud than the sweeps hold",
)


@dataclass(frozen=True)
class SweepFacts:
    """What was found in a sweep.

    Attributes:
        points: Number of points, not finite ones included.
        finite: How many are finite.
        reach_m: Distance of which 99 % of the points are nearer.
        has_ring: Whether any point's ring is not 0.
        stated: `num_lidar_pts` of those boxes of the sample that have several.
        counted: Points inside each of them.
        at_sensor: How many lie at the sensor itself.
        problem: Why these cannot be points; None if they may be.
        ground: Its largest plane; None if no plane is large.
    """

    points: int
    finite: int
    reach_m: float
    has_ring: bool
    stated: tuple[int, ...]
    counted: tuple[int, ...]
    at_sensor: int = 0
    problem: str | None = None
    ground: Ground | None = None


def read_sweep_facts(
    content: bytes, tables: TableSet, row: int, boxes: Rows, with_ground: bool
) -> SweepFacts:
    """Facts of one sweep; `boxes` are the annotations of its sample, none if it is no key frame."""
    whole = len(content) - len(content) % (4 * NUMBERS_PER_POINT)
    values = np.frombuffer(content[:whole], "<f4").reshape(-1, NUMBERS_PER_POINT)
    problem = implausible_values(values)
    if format_ := other_format(content):
        problem = f"the file is {format_}"
    points = values[np.isfinite(values[:, :3]).all(axis=1), :3].astype(np.float64)
    near = int(at_sensor(points.T.astype(np.float32)).sum())
    reach = np.percentile(np.linalg.norm(points, axis=1), 99) if len(points) else 0.0
    stated = tables["sample_annotation"]["num_lidar_points"][boxes]
    boxes, stated = boxes[stated >= MIN_STATED], stated[stated >= MIN_STATED]
    counted = count_in_boxes(tables, _to_global(tables, points, row), boxes)
    return SweepFacts(
        points=len(values),
        finite=len(points),
        reach_m=float(reach),
        has_ring=bool(np.any(values[:, 4] != 0)),
        stated=tuple(stated.tolist()),
        counted=tuple(counted.tolist()),
        at_sensor=near,
        problem=problem,
        ground=find_ground(points, _mount(tables, row)) if with_ground and not problem else None,
    )


def _mount(tables: TableSet, row: int) -> NDArray[np.float64]:
    """`ego_from_lidar` of a measurement."""
    calibrated = tables["calibrated_sensor"]
    own = int(tables["sample_data"]["calibrated_sensor"][row])
    pose = np.eye(4)
    pose[:3, :3] = rotations(calibrated["rotation_wxyz"][own : own + 1])[0]
    pose[:3, 3] = calibrated["translation_m"][own]
    return pose


def _to_global(tables: TableSet, points: NDArray[np.float64], row: int) -> NDArray[np.float64]:
    mount = _mount(tables, row)
    place, rotation = ego_columns(tables, np.array([row]))
    points_ego = points @ mount[:3, :3].T + mount[:3, 3]
    return points_ego @ rotations(rotation)[0].T + place[0]


def count_in_boxes(
    tables: TableSet, points_global: NDArray[np.float64], boxes: Rows
) -> NDArray[np.int64]:
    """Number of points inside each box."""
    columns = tables["sample_annotation"]
    counts = np.zeros(len(boxes), np.int64)
    turns = rotations(columns["rotation_wxyz"][boxes])
    for number, box in enumerate(boxes.tolist()):
        width, length, height = columns["size_wlh_m"][box]
        offset = points_global - columns["translation_m"][box]
        near = offset[(np.abs(offset) < np.hypot(width, length) + height).all(axis=1)]
        inside = np.abs(near @ turns[number]) <= np.array([length, width, height]) / 2
        counts[number] = inside.all(axis=1).sum()
    return counts


def judge_sweeps(
    tables: TableSet, files: FileList, facts: dict[int, SweepFacts], findings: Findings
) -> None:
    """Findings from the facts about the sweeps of rows of `sample_data`."""
    usual = {
        channel: np.median([f.finite for row, f in facts.items() if tables.channel(row) == channel])
        for channel in {tables.channel(row) for row in facts}
    }
    for row, fact in facts.items():
        for rule, found in _problems(fact, float(usual[tables.channel(row)])):
            add_files(findings, rule, tables, files, [row], found)
    for channel in sorted(usual):
        own = [fact.ground for row, fact in facts.items() if tables.channel(row) == channel]
        judge_ground(channel, [ground for ground in own if ground is not None], findings)
        if not any(f.has_ring for row, f in facts.items() if tables.channel(row) == channel):
            findings.add(RING, "sample_data", Place(f"{channel}: ring is 0 in every point"))


def _problems(fact: SweepFacts, usual: float) -> list[tuple[Rule, str]]:
    lost = fact.points - fact.finite
    if fact.problem is not None:
        units = FAR_M < fact.reach_m < MAX_OTHER_UNITS_M
        return [(REACH, f"points to {fact.reach_m:.0f} m")] if units else [(LAYOUT, fact.problem)]
    if fact.finite == 0:
        return [(NO_POINT, f"none of {fact.points} points is finite")]
    problems = []
    if lost:
        rule = LOST if lost > MAX_LOST_SHARE * fact.points else SOME_LOST
        problems.append((rule, f"{lost} of {fact.points} points are not finite"))
    if fact.finite < FEW_SHARE * usual:
        problems.append((FEW, f"{fact.finite} points, usually {usual:.0f}"))
    if fact.at_sensor:
        share = fact.at_sensor / fact.finite
        mostly = share > MAX_AT_SENSOR_SHARE and fact.points >= MIN_POINTS
        rule = ONLY_AT_SENSOR if mostly else AT_SENSOR
        found = f"{fact.at_sensor} of {fact.finite} points lie at the sensor itself"
        problems.append((rule, found))
    return [*problems, *_count_problems(fact)]


def _count_problems(fact: SweepFacts) -> list[tuple[Rule, str]]:
    """Counts that differ by one factor come from another cloud; others from a wrong frame."""
    stated, counted = (np.array(counts, np.int64) for counts in (fact.stated, fact.counted))
    if np.abs(stated - counted).sum() <= MAX_COUNT_ERROR * stated.sum():
        return []
    found = (
        f"{counted.sum()} points in {len(stated)} boxes, num_lidar_pts says {stated.sum()} in all"
    )
    ratio = counted.sum() / stated.sum()
    scatter = np.abs(counted - ratio * stated).sum()
    scaled = ratio > MIN_COUNT_RATIO and scatter <= MAX_COUNT_ERROR * counted.sum()
    return [(SCALED_COUNTS if scaled else COUNTS, found)]
