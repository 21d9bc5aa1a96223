"""Images against calibration and LiDAR: does what was measured look right on real video?

A few clips are read. Whether images move as their camera's calibration says is judged without
LiDAR (`camera_motion`). With one, the common turn of the cameras at which image edges and depth
edges agree best is measured (`alignment`), for every other camera apart: the difference says how
far the answer can be trusted. A verdict is given only where it can. Angles are degrees.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from mim4d.check.alignment import alignment_offset
from mim4d.check.camera_motion import judge_swaps
from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.data.clip import Clip, collate
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError

MAX_CLIPS = 4
MAX_FRAMES = 12
"""A LiDAR of 32 beams has a few hundred depth edges in view of the cameras at a time."""
FRAMES_WITHOUT_LIDAR = 3
LARGEST_HW = (608, 968)
MIN_PX_PER_DEG = 6.0
MANY_EDGES = 8000
"""So many edges of both axes agree at a right calibration in every trial."""
MIN_CONTRAST = 1.08
"""Score at the peak over the mean; real video with a right calibration has 1.15 to 1.3."""
LEAST_UNCERTAINTY_DEG = 0.1
MAX_UNCERTAINTY_DEG = 0.3
TOLERANCE_DEG = 0.25

REFUSED = Rule("reader-refuses", "error", "a data set that opens", "correct what the message says")
TURNED = Rule(
    "calibration-turned",
    "warning",
    f"edges of LiDAR and images that agree within {TOLERANCE_DEG:g} degrees and the uncertainty",
    "calibrate anew, or check poses and times of LiDAR and cameras",
)
FITS = Rule(
    "calibration-fits", "remark", "edges of LiDAR and images that agree", "nothing; they do"
)
NO_PEAK = Rule(
    "calibration-no-peak",
    "warning",
    "a turn of the cameras, within 1.5 degrees, at which edges of LiDAR and images agree",
    "check intrinsics, mounts and times: with a right calibration so many edges agree somewhere",
)
NO_VERDICT = Rule(
    "calibration-unknown",
    "remark",
    "clips from which the calibration can be judged",
    "nothing, or look at clips yourself (mim4d view)",
)


@dataclass(frozen=True)
class Offset:
    """A turn of the cameras against the LiDAR and how far it can be trusted, degrees.

    Attributes:
        degrees: The turn.
        uncertainty_deg: Half the difference of the estimates.
        contrast: Score at the peak over the mean.
        edges: Depth edges that were used.
    """

    degrees: float
    uncertainty_deg: float
    contrast: float
    edges: int = 0

    @property
    def is_trustworthy(self) -> bool:
        """Whether a peak was there, and the estimates agree."""
        return self.uncertainty_deg <= MAX_UNCERTAINTY_DEG and self.contrast >= MIN_CONTRAST

    @property
    def is_wrong(self) -> bool:
        """Whether the turn is more than tolerance and chance explain."""
        return abs(self.degrees) > TOLERANCE_DEG + 2 * self.uncertainty_deg

    def __str__(self) -> str:
        return f"{self.degrees:+.2f} ± {self.uncertainty_deg:.2f} degrees"


def check_images(tables: TableSet, findings: Findings) -> None:
    """Open the data set as training does, and judge the calibration from a few clips."""
    lidars = [c for c in tables.channels if tables.modality_of_channel[c] == "lidar"]
    lidar = "LIDAR_TOP" if "LIDAR_TOP" in lidars else next(iter(lidars), None)
    image_hw, resolution = _image_size(tables)
    data = _open(tables, lidar, image_hw)
    if isinstance(data, str):
        findings.add(REFUSED, "sample_data", Place(data))
        return
    clips = _read(data)
    if isinstance(clips, str):
        findings.add(NO_VERDICT, "calibrated_sensor", Place(clips))
        return
    judge_swaps(clips, findings)
    if lidar is None:
        findings.add(NO_VERDICT, "calibrated_sensor", Place("there is no LiDAR"))
        return
    if resolution < MIN_PX_PER_DEG:
        found = (
            f"the images resolve {resolution:.1f} pixels a degree, "
            f"{MIN_PX_PER_DEG:g} are needed to compare them with LiDAR"
        )
        findings.add(NO_VERDICT, "calibrated_sensor", Place(found))
        return
    measured = _measure(clips)
    if isinstance(measured, str):
        findings.add(NO_VERDICT, "calibrated_sensor", Place(measured))
    else:
        judge_offsets(*measured, findings)


def _open(tables: TableSet, lidar: str | None, image_hw: tuple[int, int]) -> NuscenesDataset | str:
    """The data set with the longest clips that fit into it; or why it does not open."""
    most = MAX_FRAMES if lidar else FRAMES_WITHOUT_LIDAR
    samples = np.bincount(np.maximum(tables["sample"]["scene"], 0), minlength=1)
    problem = ""
    # Where no scene is whole, clips with gaps will do.
    ways: tuple[Literal["drop", "keep"], ...] = ("drop", "keep")
    for incomplete in ways:
        try:
            return NuscenesDataset(
                tables.root,
                version=tables.version,
                frames=int(min(max(samples.max(), 1), most)),
                incomplete=incomplete,
                image_hw=image_hw,
                lidar=lidar,
            )
        except DataError as error:
            problem = str(error)
    return problem


def judge_offsets(yaw: Offset, pitch: Offset, findings: Findings) -> None:
    """A verdict for each axis whose offset can be trusted; a warning if many edges give none."""
    if not (yaw.is_trustworthy or pitch.is_trustworthy) and yaw.edges >= MANY_EDGES:
        found = f"{yaw.edges} depth edges, no agreement: yaw {yaw}, contrast {yaw.contrast:.2f}; "
        found += f"pitch {pitch}, contrast {pitch.contrast:.2f}"
        findings.add(NO_PEAK, "calibrated_sensor", Place(found))
        return
    for axis, way, offset in (("yaw", "to the right", yaw), ("pitch", "upwards", pitch)):
        place = Place(f"the cameras fit best turned {way} by {offset}")
        if not offset.is_trustworthy:
            place = Place(f"{offset}, contrast {offset.contrast:.2f}: too uncertain")
            findings.add(NO_VERDICT, "calibrated_sensor", place, group=axis)
        else:
            rule = TURNED if offset.is_wrong else FITS
            findings.add(rule, "calibrated_sensor", place, group=axis)


def _read(data: NuscenesDataset) -> Clip | str:
    """A few clips, spread evenly; or why they cannot be read."""
    chosen = np.unique(np.linspace(0, len(data) - 1, MAX_CLIPS).round().astype(int))
    try:
        return collate([data[index] for index in chosen.tolist()])
    except DataError as error:
        return str(error).split(";")[0]


def _measure(clips: Clip) -> tuple[Offset, Offset] | str:
    """Yaw and pitch offset; or why there are none."""
    try:
        halves = [alignment_offset(_every_other_camera(clips, first)) for first in range(2)]
    except DataError as error:
        return str(error).split(";")[0]
    edges = sum(half.num_edges for half in halves)
    return (
        _join([half.yaw_deg for half in halves], [half.yaw_contrast for half in halves], edges),
        _join([half.pitch_deg for half in halves], [half.pitch_contrast for half in halves], edges),
    )


def _image_size(tables: TableSet) -> tuple[tuple[int, int], float]:
    """Rows and columns to read images at, and pixels a degree of the coarsest camera there."""
    data = tables["sample_data"]
    known = tables.is_sound_data & tables.is_modality("camera") & (data["width_px"] > 0)
    rows = np.flatnonzero(known)
    if len(rows) == 0:
        return LARGEST_HW, 0.0
    hw = np.stack([data["height_px"][rows], data["width_px"][rows]])
    fits = np.minimum(1.0, (np.array(LARGEST_HW)[:, None] / hw).min(axis=0))
    focal = tables["calibrated_sensor"]["intrinsics"][data["calibrated_sensor"][rows], 0, 0]
    height, width = np.minimum(hw.max(axis=1), LARGEST_HW).tolist()
    return (height, width), float(np.radians((focal * fits).min()))


def _every_other_camera(clip: Clip, first: int) -> Clip:
    keep = torch.arange(clip.image_present.shape[-1]) % 2 == first
    return replace(clip, image_present=clip.image_present & keep)


def _join(degrees: list[float], contrasts: list[float], edges: int) -> Offset:
    spread = float(np.std(degrees, ddof=1) / np.sqrt(len(degrees)))
    return Offset(
        float(np.mean(degrees)),
        max(spread, LEAST_UNCERTAINTY_DEG),
        float(np.median(contrasts)),
        edges,
    )
