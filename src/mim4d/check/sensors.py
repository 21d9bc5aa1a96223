"""Calibrations: intrinsics against the images, lenses, and how sensors are mounted on the car.

What enters are the tables; what leaves are findings. Pixels, metres, degrees in messages; `ego` has
x forward, y left, z up, cameras have x right, y down, z along the optical axis.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import Rows, TableSet, take
from mim4d.data.tables.plausibility import MAX_MOUNT_M

FIELD_OF_VIEW_DEG = (8.0, 150.0)
MIN_SCALE, MAX_SCALE_RATIO = 0.1, 1.12
MAX_ASPECT = 1.2
"""Largest ratio of the two focal lengths."""
CAMERA_HEIGHT_M = (0.1, 4.5)
OFFICIAL_WH = (1600, 900)
SAME_MOUNT_M, SAME_MOUNT_DEG = 0.3, 3.0
# Optical axis of the usual channels, degrees to the left of straight ahead.
_USUAL_YAW_DEG = {
    "CAM_FRONT": 0.0,
    "CAM_FRONT_LEFT": 55.0,
    "CAM_FRONT_RIGHT": -55.0,
    "CAM_BACK": 180.0,
    "CAM_BACK_LEFT": 110.0,
    "CAM_BACK_RIGHT": -110.0,
}
MAX_YAW_DEG = 50.0

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
MOUNT = Rule("mount-units", "error", f"at most {MAX_MOUNT_M:g} m from the ego origin", "use metres")
CAMERA_HEIGHT = Rule(
    "camera-height",
    "warning",
    f"{CAMERA_HEIGHT_M[0]:g} to {CAMERA_HEIGHT_M[1]:g} m above the road",
    "check the translation and the ego origin (below the rear axle, on the road)",
)
UPRIGHT = Rule(
    "camera-axes",
    "warning",
    "a camera with its y axis down and its z axis roughly level",
    "check the rotation's direction (ego from camera) and the camera's axes (x right, y down)",
)
DIRECTION = Rule(
    "camera-direction",
    "warning",
    "a camera that looks where its name says",
    "check the rotation and the channel",
)
MOUNT_DIFFERS = Rule(
    "mount-differs",
    "remark",
    "one mount for all scenes",
    "nothing, if cars or calibrations differ",
)
IMAGE_SIZE = Rule(
    "image-size",
    "remark",
    f"{OFFICIAL_WH[0]}x{OFFICIAL_WH[1]} pixels, as nuScenes has them",
    "nothing: every size is read",
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


@dataclass(frozen=True)
class Cameras:
    """Calibrations of cameras with sound values, and the images taken with them.

    Attributes:
        rows: Rows of `calibrated_sensor`, `m`.
        channels: Channel of each.
        matrix: Intrinsics, `m 3 3`.
        size_wh: Columns and rows of their images, `m 2`; 0 unknown.
        ego_from_camera: Rotation, `m 3 3`.
        position_m: In `ego`, `m 3`.
    """

    rows: Rows
    channels: list[str]
    matrix: NDArray[np.float64]
    size_wh: NDArray[np.int64]
    ego_from_camera: NDArray[np.float64]
    position_m: NDArray[np.float64]


def check_sensors(tables: TableSet, findings: Findings) -> None:
    """All checks of calibrations."""
    columns = tables["calibrated_sensor"]
    _check_distortion(tables, findings)
    far = np.linalg.norm(columns["translation_m"], axis=1)
    findings.add_rows(
        MOUNT,
        "calibrated_sensor",
        columns,
        np.flatnonzero(columns["sound"] & (far > MAX_MOUNT_M)),
        lambda row: f"translation {np.round(columns['translation_m'][row], 3).tolist()}",
    )
    _check_use(tables, findings)
    _check_sizes(tables, findings)
    cameras = _cameras(tables)
    _check_lens(tables, cameras, findings)
    _check_mount(tables, cameras, findings)
    _check_same_mount(tables, cameras, findings)


def rotations(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices `m 3 3` of quaternions w x y z `m 4` of about unit length."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _cameras(tables: TableSet) -> Cameras:
    columns = tables["calibrated_sensor"]
    is_camera = take(tables["sensor"]["modality"] == b"camera", columns["sensor"], False)
    good = is_camera & columns["sound"] & (tables.channel_of_calibration >= 0)
    good &= np.isfinite(columns["intrinsics"]).all(axis=(1, 2))
    good &= (columns["intrinsics"][:, [0, 1], [0, 1]] > 0).all(axis=1)
    good &= np.isfinite(columns["translation_m"]).all(axis=1)
    good &= np.abs(np.linalg.norm(columns["rotation_wxyz"], axis=1) - 1) < 0.01
    rows = np.flatnonzero(good)
    data = tables["sample_data"]
    size = np.zeros((len(good), 2), np.int64)
    known = np.flatnonzero((data["calibrated_sensor"] >= 0) & (data["width_px"] > 0))
    calibration = data["calibrated_sensor"][known]
    size[calibration, 0], size[calibration, 1] = data["width_px"][known], data["height_px"][known]
    return Cameras(
        rows,
        [tables.channels[c] for c in tables.channel_of_calibration[rows]],
        columns["intrinsics"][rows],
        size[rows],
        rotations(columns["rotation_wxyz"][rows]),
        columns["translation_m"][rows],
    )


def _add(
    tables: TableSet,
    rule: Rule,
    cameras: Cameras,
    bad: NDArray[np.bool_],
    found: Callable[[int], str],
    findings: Findings,
) -> None:
    """Name the calibrations `bad` among the cameras."""
    for number in np.flatnonzero(bad).tolist():
        token = tables.token("calibrated_sensor", int(cameras.rows[number]))
        place = Place(f"{cameras.channels[number]}: {found(number)}", token)
        findings.add(rule, "calibrated_sensor", place)


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

    _add(tables, PRINCIPAL_POINT, cameras, outside, where, findings)
    _add(tables, CENTRE, cameras, aside, where, findings)
    _check_scale(2 * point[known & ~outside], findings)
    focal = matrix[:, [0, 1], [0, 1]]
    view = np.degrees(2 * np.arctan(size[:, 0] / 2 / focal[:, 0]))
    odd = known & ((view < FIELD_OF_VIEW_DEG[0]) | (view > FIELD_OF_VIEW_DEG[1]))
    _add(
        tables,
        FOCAL,
        cameras,
        odd,
        lambda i: f"fx {focal[i, 0]:g} px of {size[i, 0]} columns: {view[i]:.1f} degrees wide",
        findings,
    )
    ratio = focal.max(axis=1, initial=0) / focal.min(axis=1, initial=np.inf)
    _add(
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


def _check_mount(tables: TableSet, cameras: Cameras, findings: Findings) -> None:
    height = cameras.position_m[:, 2]
    near = np.linalg.norm(cameras.position_m, axis=1) <= MAX_MOUNT_M
    odd = near & ((height < CAMERA_HEIGHT_M[0]) | (height > CAMERA_HEIGHT_M[1]))
    _add(tables, CAMERA_HEIGHT, cameras, odd, lambda i: f"z is {height[i]:.2f} m", findings)
    axis, down = cameras.ego_from_camera[:, :, 2], cameras.ego_from_camera[:, :, 1]
    wrong = (down[:, 2] > -0.5) | (np.abs(axis[:, 2]) > 0.7)
    _add(
        tables,
        UPRIGHT,
        cameras,
        wrong,
        lambda i: (
            f"optical axis {np.round(axis[i], 2).tolist()}, y axis {np.round(down[i], 2).tolist()}"
        ),
        findings,
    )
    yaw = np.degrees(np.arctan2(axis[:, 1], axis[:, 0]))
    usual = np.array([_USUAL_YAW_DEG.get(name, math.nan) for name in cameras.channels])
    off = np.abs((yaw - usual + 180) % 360 - 180)
    _add(
        tables,
        DIRECTION,
        cameras,
        ~wrong & (off > MAX_YAW_DEG),
        lambda i: f"it looks {yaw[i]:.0f} degrees to the left, usual are {usual[i]:.0f}",
        findings,
    )


def _check_same_mount(tables: TableSet, cameras: Cameras, findings: Findings) -> None:
    """One finding for each channel whose calibrations differ more than calibrations scatter."""
    for name in sorted(set(cameras.channels)):
        own = np.array([channel == name for channel in cameras.channels])
        moved = np.linalg.norm(cameras.position_m[own] - cameras.position_m[own][0], axis=1)
        axes = cameras.ego_from_camera[own][:, :, 2]
        turned = np.degrees(np.arccos(np.clip(axes @ axes[0], -1, 1)))
        differs = (moved > SAME_MOUNT_M) | (turned > SAME_MOUNT_DEG)
        if differs.any():
            worst = int(np.argmax(moved / SAME_MOUNT_M + turned / SAME_MOUNT_DEG))
            found = f"{name} differs by up to {moved.max():.2f} m and {turned.max():.1f} degrees"
            token = tables.token("calibrated_sensor", int(cameras.rows[own][worst]))
            place = Place(found, token)
            findings.add(MOUNT_DIFFERS, "calibrated_sensor", place, group=name)


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
