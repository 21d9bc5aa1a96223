"""Calibrations: intrinsics against the images, lenses, sizes; `mounts` has where sensors are.

What enters are the tables; what leaves are findings. Pixels, metres, degrees in messages; `ego` has
x forward, y left, z up, cameras have x right, y down, z along the optical axis.
"""

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mim4d.check.cameras import Cameras, add_cameras, sound_cameras
from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.check.mounts import check_mounts

FIELD_OF_VIEW_DEG = (8.0, 150.0)
MIN_SCALE, MAX_SCALE_RATIO = 0.1, 1.12
MAX_ASPECT = 1.2
"""Largest ratio of the two focal lengths."""
OFFICIAL_WH = (1600, 900)
PRINCIPAL_POINT = Rule(
    "principal-point",
    "error",
    "a principal point inside the image",
    "check that intrinsics and images have the same size",
)
CENTRE = Rule(
    "principal-point-off-centre",
    "warning",
    "a principal point in the middle half of the image",
    "check that intrinsics and images have the same size",
)
SCALE = Rule(
    "intrinsics-scale",
    "warning",
    "intrinsics of images of the stored size: cx near width / 2, cy near height / 2",
    "scale camera_intrinsic to the stored images, or restore the images of its size",
)
FOCAL = Rule(
    "focal-length",
    "warning",
    f"a view {FIELD_OF_VIEW_DEG[0]:g} to {FIELD_OF_VIEW_DEG[1]:g} degrees wide",
    "check the unit of the intrinsics (pixels of the stored image)",
)
ASPECT = Rule("focal-ratio", "warning", "nearly equal fx and fy", "check the intrinsics")
DISTORTION = Rule(
    "distortion", "error", "undistorted images", "undistort the images and remove the field"
)
IMAGE_SIZE = Rule(
    "image-size",
    "remark",
    f"{OFFICIAL_WH[0]}x{OFFICIAL_WH[1]} pixels, as nuScenes has them",
    "nothing; every size is read",
)
MIXED_SIZES = Rule(
    "mixed-image-sizes",
    "warning",
    "images of one size with one calibration",
    "check that the calibration fits all of them",
)
UNUSED = Rule(
    "unused-calibration", "remark", "measurements with every calibration", "nothing, or remove it"
)


def check_sensors(tables: TableSet, findings: Findings) -> None:
    """All checks of calibrations."""
    _check_distortion(tables, findings)
    _check_use(tables, findings)
    _check_sizes(tables, findings)
    cameras = sound_cameras(tables)
    _check_lens(tables, cameras, findings)
    check_mounts(tables, cameras, findings)


def _check_lens(tables: TableSet, cameras: Cameras, findings: Findings) -> None:
    size, matrix = cameras.size_wh, cameras.matrix
    known = (size > 0).all(axis=1)
    point = matrix[:, :2, 2] / np.maximum(size, 1)
    off_centre = np.abs(point - 0.5).max(axis=1, initial=0)
    outside = known & (off_centre > 0.5)
    aside = known & ~outside & (off_centre > 0.25)

    def where(number: int) -> str:
        u, v = matrix[number, :2, 2]
        return f"({u:.0f}, {v:.0f}) in an image of {size[number, 0]}x{size[number, 1]}"

    add_cameras(tables, PRINCIPAL_POINT, cameras, outside, where, findings)
    add_cameras(tables, CENTRE, cameras, aside, where, findings)
    _check_scale(2 * point[known & ~outside], findings)
    focal = matrix[:, [0, 1], [0, 1]]
    view = np.degrees(2 * np.arctan(size[:, 0] / 2 / focal[:, 0]))
    odd = known & ((view < FIELD_OF_VIEW_DEG[0]) | (view > FIELD_OF_VIEW_DEG[1]))
    add_cameras(
        tables,
        FOCAL,
        cameras,
        odd,
        lambda i: f"fx {focal[i, 0]:g} px of {size[i, 0]} columns: {view[i]:.1f} degrees wide",
        findings,
    )
    ratio = focal.max(axis=1, initial=0) / focal.min(axis=1, initial=np.inf)
    add_cameras(
        tables,
        ASPECT,
        cameras,
        ratio > MAX_ASPECT,
        lambda i: f"fx {focal[i, 0]:g}, fy {focal[i, 1]:g}",
        findings,
    )


def _check_scale(factors: NDArray[np.float64], findings: Findings) -> None:
    """One factor between calibration and image size, in both axes and most cameras.

    Principal points lie a few hundredths of the size off the middle, and differently along the two
    axes (images are often cropped): only a larger factor that both have in common is told.
    """
    if len(factors) == 0:
        return
    across, down = np.median(factors, axis=0)
    low, high = min(across, down), max(across, down)
    common = math.sqrt(across * down)
    if (low > 1 + MIN_SCALE or high < 1 / (1 + MIN_SCALE)) and high < MAX_SCALE_RATIO * low:
        found = (
            f"cx is {across:.2f} times half the width, cy {down:.2f} times half the height: the "
            f"intrinsics look like those of images {common:.2f} times as large"
        )
        findings.add(SCALE, "calibrated_sensor", Place(found), count=len(factors))


def _check_distortion(tables: TableSet, findings: Findings) -> None:
    columns = tables["calibrated_sensor"]
    distortion = [text.decode(errors="replace") for text in columns["distortion"].tolist()]
    bad = [row for row, text in enumerate(distortion) if text]
    findings.add_rows(
        DISTORTION,
        "calibrated_sensor",
        columns,
        bad,
        lambda row: f"its lens is {distortion[row][:80]}",
    )


def _check_use(tables: TableSet, findings: Findings) -> None:
    used = np.zeros(tables.size("calibrated_sensor"), np.bool_)
    rows = tables["sample_data"]["calibrated_sensor"]
    used[rows[rows >= 0]] = True
    if "sample_data" in tables.present:
        findings.add_rows(
            UNUSED,
            "calibrated_sensor",
            tables["calibrated_sensor"],
            np.flatnonzero(~used),
            lambda row: "no measurement was made with it",
        )


def image_sizes(tables: TableSet) -> dict[str, dict[tuple[int, int], int]]:
    """How many images of which columns and rows each camera has, by the table."""
    data = tables["sample_data"]
    rows = np.flatnonzero(tables.is_sound_data & tables.is_modality("camera"))
    keys = np.stack([tables.channel_of_data[rows], data["width_px"][rows], data["height_px"][rows]])
    found, counts = np.unique(keys, axis=1, return_counts=True)
    sizes: dict[str, dict[tuple[int, int], int]] = {}
    for (channel, width, height), count in zip(found.T.tolist(), counts.tolist(), strict=True):
        sizes.setdefault(tables.channels[channel], {})[width, height] = count
    return sizes


def _check_sizes(tables: TableSet, findings: Findings) -> None:
    data = tables["sample_data"]
    by_channel = image_sizes(tables)
    for width, height in sorted({size for sizes in by_channel.values() for size in sizes}):
        if (width, height) != OFFICIAL_WH:
            cameras = sum((width, height) in sizes for sizes in by_channel.values())
            place = Place(f"{width}x{height} of {cameras} camera{'s' if cameras > 1 else ''}")
            findings.add(IMAGE_SIZE, "sample_data", place)
    for channel, sizes in by_channel.items():
        usual = max(sizes, key=lambda size: sizes[size])
        own = tables.is_sound_data & (tables.channel_of_data == tables.channels.index(channel))
        other = own & ((data["width_px"] != usual[0]) | (data["height_px"] != usual[1]))
        found = partial(_found_size, tables, usual)
        if len(sizes) > 1:
            findings.add_rows(
                MIXED_SIZES, "sample_data", data, np.flatnonzero(other), found, group=channel
            )


def _found_size(tables: TableSet, usual: tuple[int, int], row: int) -> str:
    data = tables["sample_data"]
    width, height = data["width_px"][row], data["height_px"][row]
    return f"{width}x{height} pixels, most others have {usual[0]}x{usual[1]}"
