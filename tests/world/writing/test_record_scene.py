import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mim4d.world.generate import TRAINING_STREAM
from mim4d.world.kernels.tracing import GROUND, NOTHING, STANDING, Solid, cast_rays
from mim4d.world.objects.classes import ATTRIBUTES, CATEGORIES
from mim4d.world.scene.layout import sample_layout
from mim4d.world.scene.town import placement
from tests.world.conftest import Row, pose_matrix, sensor_pose
from tests.world.make import SMALL

pytestmark = pytest.mark.slow

TABLES = [
    *("attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map"),
    *("sample", "sample_annotation", "sample_data", "scene", "sensor", "visibility"),
]


def truth_of(world: Path, data: dict) -> np.ndarray:
    path = world / "truth" / "distance" / Path(data["filename"]).with_suffix(".png")
    return np.asarray(Image.open(path)).astype(np.float64) / 256


def images(tables):
    return [row for row in tables["sample_data"].values() if row["fileformat"] == "jpg"]


def sweeps(tables):
    return [row for row in tables["sample_data"].values() if row["fileformat"] == "pcd"]


def test_foreign_keys(tables):
    assert sorted(tables) == TABLES
    tokens = [token for rows in tables.values() for token in rows]
    assert len(tokens) == len(set(tokens))
    for name, rows in tables.items():
        for row in rows.values():
            assert name == "visibility" or (len(row["token"]) == 32 and int(row["token"], 16) >= 0)
            for key, value in row.items():
                if key.endswith("_token") and key not in ("token",):
                    table = key.removesuffix("_token").removeprefix("first_").removeprefix("last_")
                    if key.endswith("annotation_token"):
                        table = "sample_annotation"
                    assert value in tables[table], (name, key)
                elif key.endswith("_tokens"):
                    table = key.removesuffix("_tokens")
                    assert all(token in tables[table] for token in value), (name, key)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("sample", "scene_token"),
        ("sample_data", "calibrated_sensor_token"),
        ("sample_annotation", "instance_token"),
    ],
)
def test_chains(tables, table, key):
    rows = tables[table]
    heads = [row for row in rows.values() if not row["prev"]]
    seen = 0
    for row in heads:
        length = 1
        while row["next"]:
            after = rows[row["next"]]
            assert after["prev"] == row["token"]
            assert after[key] == row[key]
            if "timestamp" in row:
                assert after["timestamp"] - row["timestamp"] == 500_000
            row, length = after, length + 1
        if table == "sample_annotation":
            instance = tables["instance"][row["instance_token"]]
            assert instance["nbr_annotations"] == length
            assert instance["last_annotation_token"] == row["token"]
        seen += length
    assert seen == len(rows)  # every row is in exactly one chain
    assert len(heads) == len({row[key] for row in rows.values()})


def test_every_file_is_there_and_as_described(world, tables):
    assert len(images(tables)) == 2 * 3 * 6
    for row in images(tables):
        picture = Image.open(world / row["filename"])
        assert picture.size == (row["width"], row["height"]) == (80, 48)
        assert np.asarray(picture).std() > 10
        assert truth_of(world, row).shape == (48, 80)
    for row in sweeps(tables):
        points = np.fromfile(world / row["filename"], dtype=np.float32).reshape(-1, 5)
        assert len(points) > 5000
        assert np.isfinite(points).all()
        assert 60.0 < np.linalg.norm(points[:, :3], axis=1).max() < 86.0
        assert 0.0 <= points[:, 3].min() < points[:, 3].max() <= 255.0
        assert set(np.unique(points[:, 4])) <= set(range(32))
        assert row["timestamp"] == tables["sample"][row["sample_token"]]["timestamp"]


def test_lidar_agrees_with_true_distance(world, tables, global_from_sensor):
    """Points projected into every camera of their sample, away from edges."""
    parts = []
    for sweep in sweeps(tables):
        points = np.fromfile(world / sweep["filename"], dtype=np.float32).reshape(-1, 5)[:, :3]
        pose = global_from_sensor(sweep)
        points_global = points.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
        for data in images(tables):
            if data["sample_token"] == sweep["sample_token"]:
                parts.append(
                    distance_errors(world, tables, global_from_sensor, data, points_global)
                )
    errors = np.concatenate(parts)
    assert len(errors) > 5000
    assert np.median(np.abs(errors)) < 0.05
    assert np.mean(np.abs(errors) < 0.15) > 0.85


def distance_errors(world, tables, global_from_sensor, data, points_global):
    camera_from_global = np.linalg.inv(global_from_sensor(data))
    points = points_global @ camera_from_global[:3, :3].T + camera_from_global[:3, 3]
    intrinsics = tables["calibrated_sensor"][data["calibrated_sensor_token"]]["camera_intrinsic"]
    points = points[points[:, 2] > 0.5]
    pixels = points @ np.array(intrinsics).T
    corner = pixels[:, :2] / pixels[:, 2:] - 0.5  # from here on, pixel centres are integers
    inside = (corner >= 0).all(axis=1) & (corner < [79, 47]).all(axis=1)
    (u, v), distance = corner[inside].T, np.linalg.norm(points[inside], axis=1)
    near = 1.0 / np.maximum(truth_of(world, data), 1e-3)  # on a plane, nearly linear in the pixel
    i, j, fu, fv = v.astype(int), u.astype(int), u % 1, v % 1
    around = np.stack([near[i, j], near[i, j + 1], near[i + 1, j], near[i + 1, j + 1]])
    weights = np.stack([(1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv])
    smooth = (around.max(axis=0) < 1.15 * around.min(axis=0)) & (around.max(axis=0) < 100)
    return (1.0 / (weights * around).sum(axis=0) - distance)[smooth]


def test_true_distance_of_flat_ground(world, tables, global_from_sensor):
    checked = 0
    for data in images(tables):
        pose = global_from_sensor(data)
        intrinsics = tables["calibrated_sensor"][data["calibrated_sensor_token"]][
            "camera_intrinsic"
        ]
        u, v = np.meshgrid(np.arange(80) + 0.5, np.arange(48) + 0.5)
        rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(intrinsics).T
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        down = -(rays @ pose[:3, :3].T)[..., 2]
        expected = np.where(down > 0.0, pose[2, 3] / np.maximum(down, 1e-9), np.inf)
        truth = truth_of(world, data)
        assert (
            truth <= np.minimum(expected, 256.0) + 1 / 256
        ).all()  # nothing lies below the ground
        error = np.abs(truth - expected)
        exact, close = error < 0.5 / 256 + 1e-4, error < 0.03  # close: the foot of some object
        assert exact.sum() > 0.97 * close.sum()
        checked += exact.sum()
    assert checked > 0.2 * len(images(tables)) * 48 * 80


def test_boxes_contain_their_points(world, tables, global_from_sensor):
    counted = 0
    for sweep in sweeps(tables):
        points = np.fromfile(world / sweep["filename"], dtype=np.float32).reshape(-1, 5)[:, :3]
        pose = global_from_sensor(sweep)
        points = points.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
        for box in tables["sample_annotation"].values():
            if box["sample_token"] != sweep["sample_token"]:
                continue
            box_from_global = np.linalg.inv(pose_matrix(box))
            own = points @ box_from_global[:3, :3].T + box_from_global[:3, 3]
            width, length, height = box["size"]
            inside = (np.abs(own) <= np.array([length, width, height]) / 2).all(axis=1)
            assert abs(int(inside.sum()) - box["num_lidar_pts"]) <= 1  # float32 on the faces
            assert np.hypot(*(np.array(box["translation"]) - pose[:3, 3])[:2]) < 62.0
            counted += box["num_lidar_pts"]
    assert counted > 200


def test_each_image_has_its_own_pose_and_time(tables):
    for row in images(tables):
        ego = tables["ego_pose"][row["ego_pose_token"]]
        sample = tables["sample"][row["sample_token"]]
        assert ego["timestamp"] == row["timestamp"]
        assert 0 <= sample["timestamp"] - row["timestamp"] < 50_000
        assert ego["translation"][2] == 0.0
    assert len({row["ego_pose_token"] for row in tables["sample_data"].values()}) == 42


def test_sweeps_of_a_film(film, film_tables):
    """Twelve images and twenty sweeps a second; each key frame and sweep in its folder."""
    channels: dict[str, list[Row]] = {}
    for row in film_tables["sample_data"].values():
        folder, channel, name = row["filename"].split("/")
        assert folder == ("samples" if row["is_key_frame"] else "sweeps")
        logfile, other, last = name.split("__")
        assert logfile == next(iter(film_tables["log"].values()))["logfile"]
        assert (other, last.split(".")[0]) == (channel, str(row["timestamp"]))
        assert (film / row["filename"]).is_file()
        channels.setdefault(channel, []).append(row)
    assert {name: len(rows) for name, rows in channels.items()} == {
        name: 11 if name == "LIDAR_TOP" else 7 for name in channels
    }
    for rows in channels.values():
        assert sum(row["is_key_frame"] for row in rows) == 3
        (row,) = (row for row in rows if not row["prev"])
        assert row["is_key_frame"]
        times = [row["timestamp"]]
        while row["next"]:
            row = film_tables["sample_data"][row["next"]]
            times.append(row["timestamp"])
        assert row["is_key_frame"]
        assert len(times) == len(rows)
        assert (np.diff(times) > 0).all()


def test_a_sweep_points_to_the_sample_that_follows(film_tables):
    times = sorted(row["timestamp"] for row in film_tables["sample"].values())
    for row in film_tables["sample_data"].values():
        sample = film_tables["sample"][row["sample_token"]]["timestamp"]
        assert sample == next(time for time in times if time >= row["timestamp"])
        assert film_tables["ego_pose"][row["ego_pose_token"]]["timestamp"] == row["timestamp"]


def test_static_points_of_a_turn_lie_on_the_surfaces(film, film_tables):
    """The car drives on during a turn; compensated, what stands is where it is.

    The true surface is traced towards each point from where the LiDAR is when the turn ends.
    """
    layout = sample_layout(
        np.random.SeedSequence((TRAINING_STREAM, SMALL["seed"], 0)), 0.5, placement("train", 0, 0.5)
    )
    standing = layout.standing_solid()
    nothing = Solid(np.zeros((0, 3, 3)), np.zeros(0, np.uint8), np.zeros(0, np.int32))
    driven, errors = [], []
    for row in sweeps(film_tables):
        pose = sensor_pose(film_tables, row)
        stem = Path(row["filename"].split(".")[0] + ".npy")
        instances = np.load(film / "truth" / "lidar" / stem)[:, 0]
        points = np.fromfile(film / row["filename"], np.float32).reshape(-1, 5)[:, :3]
        points = points[instances == 0].astype(np.float64) @ pose[:3, :3].T
        eye = pose[:3, 3] - [*layout.global_offset, 0.0]
        far = np.linalg.norm(points, axis=1)
        rays = (points / far[:, None]).astype(np.float32)
        hits = cast_rays(standing, nothing, eye, rays, 200.0)
        facing = np.where(hits.kind == GROUND, -rays[:, 2], 0.0)
        walls = hits.kind == STANDING
        normals = standing.normals[hits.triangle[walls]]
        facing[walls] = np.abs((normals * rays[walls]).sum(axis=1))
        assert (hits.kind != NOTHING).mean() > 0.99
        # Across the surface the range noise counts by its cosine; elsewhere rays pass an edge.
        errors.append((hits.distance_m - far) * facing)
        time_s = (row["timestamp"] - 1_500_000_000_000_000) * 1e-6
        ends = layout.ego.poses(np.array([time_s - 0.05, time_s]))
        driven.append(np.linalg.norm(ends[1, :2] - ends[0, :2]))
    errors = np.abs(np.concatenate(errors))
    assert np.mean(driven) > 0.15  # without compensation, points would be off by up to this
    assert np.median(errors) < 0.015
    assert np.quantile(errors, 0.9) < 0.045
    assert np.mean(errors < 0.1) > 0.95


def test_categories_attributes_and_levels_are_the_official_ones(tables):
    assert [row["name"] for row in tables["category"].values()] == list(CATEGORIES)
    assert [row["index"] for row in tables["category"].values()] == list(range(len(CATEGORIES)))
    assert {row["name"] for row in tables["attribute"].values()} == set(ATTRIBUTES)
    assert len(ATTRIBUTES) == 8
    levels = [row["level"] for row in tables["visibility"].values()]
    assert levels == ["v0-40", "v40-60", "v60-80", "v80-100"]
    seen = {row["visibility_token"] for row in tables["sample_annotation"].values()}
    assert {"1", "4"} <= seen <= {"1", "2", "3", "4"}


def test_logs_and_maps(world, tables):
    for log in tables["log"].values():
        (row,) = (row for row in tables["map"].values() if log["token"] in row["log_tokens"])
        assert row["filename"] == f"maps/{log['location']}.png"
        assert (world / row["filename"]).is_file()
        drawn = json.loads((world / "maps" / "expansion" / f"{log['location']}.json").read_text())
        assert drawn["version"] == "1.3"
        assert log["logfile"].startswith(f"mim4d-{log['date_captured']}-")
    for scene in tables["scene"].values():
        towns = {"scene-2000": "boston-seaport", "scene-8000": "singapore-hollandvillage"}
        assert tables["log"][scene["log_token"]]["location"] == towns[scene["name"]]
    assert not (world / "rows").exists()
