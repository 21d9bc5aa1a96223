"""Argoverse 2 logs: the shared one without images, and one with images that is written here."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.check.check_data import check_data
from mim4d.config import OptimConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from mim4d.evaluation.flow.truth import inside_boxes
from mim4d.importing.av2_log import CAMERAS, read_av2
from mim4d.importing.write_data_set import ImportOptions, write_data_set
from mim4d.training.loop import pretrain
from mim4d.writing.rows import quaternion_wxyz
from tests.shared import made_once, run_module
from tests.toy import toy_config

feather = pytest.importorskip("pyarrow.feather")
pa = pytest.importorskip("pyarrow")

FIRST_NS, STEP_NS, FRAMES = 315_966_000_000_000_000, 100_000_000, 8
UP = [1.0, 0.0, 0.0, 0.0]


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pa.table(columns), path)


def with_pose(columns, quaternions, places):
    names = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
    return columns | dict(zip(names, np.hstack([quaternions, places]).T, strict=True))


def write_log(log):
    """A car at 5 m/s to the east, 100 m up, and one that stands 20 m ahead of its start."""
    times = FIRST_NS + STEP_NS * np.arange(FRAMES + 4)
    places = np.stack([0.5 * np.arange(FRAMES + 4) + 5000, times * 0 + 2000, times * 0 + 100], 1)
    write(
        log / "city_SE3_egovehicle.feather",
        with_pose({"timestamp_ns": times}, np.tile(UP, (FRAMES + 4, 1)), places),
    )
    rng = np.random.default_rng(0)
    names = list(CAMERAS)
    rotations = []
    for degrees in (0, 45, -45, 100, -100, 150, -150):
        yaw = np.radians(degrees)
        ahead = np.array([np.cos(yaw), np.sin(yaw), 0])
        right = np.array([np.sin(yaw), -np.cos(yaw), 0])
        rotations.append(quaternion_wxyz(np.stack([right, np.cross(ahead, right), ahead], axis=1)))
    write(
        log / "calibration" / "egovehicle_SE3_sensor.feather",
        with_pose({"sensor_name": names}, np.array(rotations), np.tile([1.5, 0.0, 1.2], (7, 1))),
    )
    sizes = np.array([[31, 40], *[[40, 31]] * 6], dtype=np.uint16)
    write(
        log / "calibration" / "intrinsics.feather",
        {
            "sensor_name": names,
            **{name: np.full(7, 30.0) for name in ("fx_px", "fy_px")},
            "cx_px": sizes[:, 0] / 2 - 0.5,
            "cy_px": sizes[:, 1] / 2 - 0.5,
            "height_px": sizes[:, 1],
            "width_px": sizes[:, 0],
        },
    )
    for time in times[:FRAMES].tolist():
        points = rng.normal(0, 10, (200, 3)).astype(np.float16)
        write(
            log / "sensors" / "lidar" / f"{time}.feather",
            {
                **dict(zip("xyz", points.T, strict=True)),
                "intensity": np.full(200, 7, np.uint8),
                "laser_number": np.full(200, 3, np.uint8),
                "offset_ns": np.zeros(200, np.int32),
            },
        )
        for name, (width, height) in zip(names, sizes.tolist(), strict=True):
            folder = log / "sensors" / "cameras" / name
            folder.mkdir(parents=True, exist_ok=True)
            levels = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            Image.fromarray(levels).save(folder / f"{time + 12_345_678}.jpg")
    ahead = 20 - 0.5 * np.arange(FRAMES)
    columns = {
        "timestamp_ns": times[:FRAMES],
        "track_uuid": ["a"] * FRAMES,
        "category": ["REGULAR_VEHICLE"] * FRAMES,
        "length_m": np.full(FRAMES, 4.5),
        "width_m": np.full(FRAMES, 1.9),
        "height_m": np.full(FRAMES, 1.6),
        "num_interior_pts": np.full(FRAMES, 9),
    }
    middle = np.stack([ahead, ahead * 0, ahead * 0 + 0.5], 1)
    write(log / "annotations.feather", with_pose(columns, np.tile(UP, (FRAMES, 1)), middle))
    return log


@pytest.mark.slow
def test_a_log_with_images(tmp_path):
    drives = read_av2(write_log(tmp_path / "log"))
    made = write_data_set(drives, tmp_path / "data", ImportOptions(keyframe_interval_s=0.2))
    assert (made.linked, made.sweeps, made.samples) == (7 * FRAMES, FRAMES, 4)
    clip = NuscenesDataset(tmp_path / "data", frames=3, image_hw=(32, 32))[0]
    assert clip.image_present.all()
    assert clip.camera_names[0] == "CAM_FRONT"
    # 0.33 m from the axle down to the road; the car ahead stands still.
    boxes = clip.boxes_ref[0, :, 0]
    torch.testing.assert_close(boxes[:, :3], torch.tensor([[18.0, 0, 0.83]]).expand(3, 3))
    torch.testing.assert_close(boxes[:, 7:], torch.zeros(3, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(boxes[0, 3:6], torch.tensor([4.5, 1.9, 1.6]))
    assert clip.category_names == ("vehicle.car",)
    assert check_data(tmp_path / "data").findings.count("error") == 0
    front = clip.ref_from_camera[0, -1, 0]
    torch.testing.assert_close(front[:3, 2], torch.tensor([1.0, 0, 0]), atol=1e-5, rtol=0)
    assert float(front[2, 3]) == pytest.approx(1.53, abs=1e-4)


@pytest.mark.slow
def test_the_shared_log(real_data, tmp_path):
    made = write_data_set(
        read_av2(real_data / "av2_log"), tmp_path / "data", ImportOptions(keyframe_interval_s=0.1)
    )
    assert (made.samples, made.sweeps, made.linked) == (2, 2, 0)
    assert "no images of CAM_FRONT" in " ".join(made.notes)
    data = NuscenesDataset(
        tmp_path / "data", frames=2, image_hw=(32, 32), map_range_m=(100.0, 100.0)
    )
    clip = data[0]
    assert clip.image_present.sum() == 0
    assert clip.camera_names[0] == "CAM_FRONT"
    # Points in the boxes are those that the annotation counts, but for the car's own and rounding.
    boxes, points = clip.boxes_ref[0, -1], clip.points_ref[0, -1][clip.valid_points[0, -1]]
    told = clip.box_lidar_points[0, -1]
    counts = inside_boxes(points, boxes).sum(dim=0)
    alike = (counts - told).abs() <= torch.maximum(torch.tensor(2.0), 0.05 * told)
    assert int(alike[told > 0].sum()) >= 0.9 * int((told > 0).sum())
    assert clip.maps is not None
    (patch,) = clip.maps
    assert any(area.contains(_origin()) for area in patch.polygons("drivable_area"))
    assert len(patch.polylines("lane_divider")) + len(patch.polylines("road_divider")) > 5
    assert len(patch.polylines("lane_centre")) > 20


def _origin():
    from shapely import Point

    return Point(0.0, 0.0)


RINGS = {
    "CAM_FRONT": "ring_front_center",
    "CAM_FRONT_LEFT": "ring_front_left",
    "CAM_FRONT_RIGHT": "ring_front_right",
    "CAM_BACK_LEFT": "ring_rear_left",
    "CAM_BACK_RIGHT": "ring_rear_right",
    "CAM_BACK": "ring_side_left",
}
AXLE_M = 0.33


def write_log_of_world(world, log):
    """The first scene of a world as a log of Argoverse 2: the same poses, images, sweeps, boxes."""
    tables = NuscenesTables.open(world)
    stored = {name: tables.data_of_scene(0, name) for name in (*RINGS, "LIDAR_TOP")}
    lift = np.array([0.0, 0.0, AXLE_M])  # from the road to the axle
    times, poses, mounts, lenses = [], [], [], []
    for name, rows in stored.items():
        times += (tables.column("sample_data", "timestamp_us")[rows] * 1000).tolist()
        poses += list(tables.global_from_ego(rows).numpy())
        mount = tables.ego_from_sensor(rows[:1])[0].numpy()
        if name in RINGS:
            mounts.append(mount)
            lenses.append(tables.intrinsics(rows[:1])[0].numpy())
        for row in rows.tolist():
            record = tables.sample_data(row)
            time_ns = record.timestamp_us * 1000
            if name in RINGS:
                place = log / "sensors" / "cameras" / RINGS[name] / f"{time_ns}.jpg"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.hardlink_to(world / record.filename)
                continue
            points = np.fromfile(world / record.filename, np.float32).reshape(-1, 5)
            own = points[:, :3] @ mount[:3, :3].T + mount[:3, 3] - lift
            columns = dict(zip("xyz", own.astype(np.float32).T, strict=True))
            columns |= {"intensity": points[:, 3], "laser_number": points[:, 4]}
            write(log / "sensors" / "lidar" / f"{time_ns}.feather", columns)
    order = np.argsort(times)
    quaternions = [quaternion_wxyz(pose[:3, :3]) for pose in poses]
    places = np.array([pose[:3, 3] + pose[:3, :3] @ lift for pose in poses])
    track = with_pose({"timestamp_ns": np.array(times)}, np.array(quaternions), places)
    track = {name: values[order] for name, values in track.items()}
    write(log / "city_SE3_egovehicle.feather", track)
    turned = np.array([quaternion_wxyz(mount[:3, :3]) for mount in mounts])
    placed = np.array([mount[:3, 3] - lift for mount in mounts])
    names = list(RINGS.values())
    calibration = log / "calibration"
    mounting = with_pose({"sensor_name": names}, turned, placed)
    write(calibration / "egovehicle_SE3_sensor.feather", mounting)
    matrices = np.array(lenses)
    with Image.open(world / tables.sample_data(int(stored["CAM_FRONT"][0])).filename) as image:
        width, height = image.size
    columns = {
        "sensor_name": names,
        "fx_px": matrices[:, 0, 0],
        "fy_px": matrices[:, 1, 1],
        "cx_px": matrices[:, 0, 2] - 0.5,
        "cy_px": matrices[:, 1, 2] - 0.5,
        "width_px": np.full(6, width, np.uint16),
        "height_px": np.full(6, height, np.uint16),
    }
    write(calibration / "intrinsics.feather", columns)


@pytest.mark.slow
def test_twenty_steps_on_a_log_of_a_world(tmp_path, tmp_path_factory, monkeypatch):
    """The log of a world is the world again: clips are the same, and a model trains on them."""
    pytest.importorskip("embreex")
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    world = made_once(
        tmp_path_factory, "world", lambda out: run_module("tests.world.make", "world", out)
    )
    write_log_of_world(world, tmp_path / "log")
    data = tmp_path / "data"
    write_data_set(read_av2(tmp_path / "log"), data, ImportOptions())
    pair = ("CAM_FRONT", "CAM_BACK_LEFT")
    options: dict[str, Any] = {"frames": 3, "key": 1, "image_hw": (32, 64), "cameras": pair}
    ours, own = NuscenesDataset(data, **options)[0], NuscenesDataset(world, **options)[0]
    assert ours.images.equal(own.images)
    for name in ("intrinsics", "ref_from_camera", "ref_from_ego", "image_times_s"):
        torch.testing.assert_close(getattr(ours, name), getattr(own, name), atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(ours.points_ref, own.points_ref, atol=1e-3, rtol=0)
    config = replace(toy_config(), optim=OptimConfig(steps=20, warmup_steps=2))
    small = replace(config.clip, cameras=pair, image_height=32, image_width=64)
    config = replace(config, clip=small)
    pretrain(config, data, tmp_path / "run", device="cpu", workers=0, progress=False)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert len(losses) == 20
    assert np.isfinite(losses).all()


def test_a_log_that_is_damaged(tmp_path):
    log = write_log(tmp_path / "log")
    path = log / "calibration" / "intrinsics.feather"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"intrinsics.feather: cannot be read"):
        read_av2(log)
    path.unlink()
    with pytest.raises(DataError, match=r"intrinsics.feather not found"):
        read_av2(log)
    with pytest.raises(DataError, match="give the folder of a sensor log"):
        read_av2(tmp_path / "log" / "sensors")
    path.write_bytes(content)
    (log / "map").mkdir()
    (log / "map" / "log_map_archive_x____PIT_city_1.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(DataError, match="not a map of Argoverse 2"):
        read_av2(log)
