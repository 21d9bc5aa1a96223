import filecmp
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mim4d.world.generate import VERSION, generate_world
from tests.world.conftest import SMALL, pose_matrix

TABLES = [
    *("attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map"),
    *("sample", "sample_annotation", "sample_data", "scene", "sensor", "visibility"),
]


def files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


def truth_of(world: Path, data: dict) -> np.ndarray:
    path = world / "truth" / "distance" / Path(data["filename"]).with_suffix(".png")
    return np.asarray(Image.open(path)).astype(np.float64) / 256


def images(tables):
    return [row for row in tables["sample_data"].values() if row["fileformat"] == "jpg"]


def sweeps(tables):
    return [row for row in tables["sample_data"].values() if row["fileformat"] == "pcd"]


def test_same_bytes_with_more_workers(world, tmp_path):
    seen = []
    summary = generate_world(
        tmp_path / "w",
        scenes=1,
        held_out=1,
        workers=2,
        progress=lambda *done: seen.append(done),
        **SMALL,
    )
    assert seen == [(1, 2), (2, 2)]
    assert summary.num_samples == 6
    assert summary.num_images == 36
    assert files(world) == files(tmp_path / "w")
    _, differing, unreadable = filecmp.cmpfiles(world, tmp_path / "w", files(world), shallow=False)
    assert (differing, unreadable) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == ["w"]  # nothing partial is left


def test_held_out_scenes_do_not_depend_on_training_scenes(world, tmp_path):
    generate_world(tmp_path / "w", scenes=0, held_out=1, workers=1, **SMALL)
    held_out = [path for path in files(tmp_path / "w") if "scene-val" in path.name]
    assert len(held_out) == 3 * (6 + 6 + 1)
    _, differing, unreadable = filecmp.cmpfiles(world, tmp_path / "w", held_out, shallow=False)
    assert (differing, unreadable) == ([], [])


def test_held_out_scenes_differ_from_training_scenes(world, tables):
    splits = json.loads((world / "splits.json").read_text())
    assert splits == {"train": ["scene-train-0000"], "val": ["scene-val-0000"]}
    assert {row["name"] for row in tables["scene"].values()} == {*splits["train"], *splits["val"]}
    front = [row for row in images(tables) if "CAM_FRONT__" in row["filename"]]
    train, held_out = (
        truth_of(world, next(row for row in front if name in row["filename"]))
        for name in ("scene-train", "scene-val")
    )
    assert np.abs(train - held_out).mean() > 1.0


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
    errors = []
    for sweep in sweeps(tables):
        points = np.fromfile(world / sweep["filename"], dtype=np.float32).reshape(-1, 5)[:, :3]
        pose = global_from_sensor(sweep)
        points_global = points.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
        for data in images(tables):
            if data["sample_token"] == sweep["sample_token"]:
                errors.append(
                    distance_errors(world, tables, global_from_sensor, data, points_global)
                )
    errors = np.concatenate(errors)
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


def test_boxes_move_with_their_attribute(tables):
    names = {row["token"]: row["name"] for row in tables["attribute"].values()}
    kinds = set()
    for row in tables["sample_annotation"].values():
        if row["next"]:
            after = tables["sample_annotation"][row["next"]]
            step = np.linalg.norm(np.subtract(after["translation"], row["translation"]))
            kind = names[row["attribute_tokens"][0]].split(".")[1]
            assert (step > 0.05) == (kind == "moving")
            kinds.add(kind)
    assert {"moving", "parked"} <= kinds


def test_each_image_has_its_own_pose_and_time(tables):
    for row in images(tables):
        ego = tables["ego_pose"][row["ego_pose_token"]]
        sample = tables["sample"][row["sample_token"]]
        assert ego["timestamp"] == row["timestamp"]
        assert 0 <= sample["timestamp"] - row["timestamp"] < 50_000
        assert ego["translation"][2] == 0.0
    assert len({row["ego_pose_token"] for row in tables["sample_data"].values()}) == 42


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"not empty|remove it yourself"):
            generate_world(tmp_path, scenes=1, held_out=0, overwrite=overwrite, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_world_is_overwritten_when_asked(tmp_path):
    out, tiny = tmp_path / "w", {**SMALL, "samples_per_scene": 1, "image_hw": (16, 16)}
    generate_world(out, scenes=1, held_out=0, workers=1, **tiny)
    with pytest.raises(ValueError, match="not empty"):
        generate_world(out, scenes=1, held_out=0, workers=1, **tiny)
    generate_world(out, scenes=1, held_out=0, workers=1, overwrite=True, **{**tiny, "seed": 8})
    assert "seed 8" in (out / "README.md").read_text()
    assert (out / VERSION / "sample.json").is_file()


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("mim4d.world.generate.record_scene", lambda job: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate_world(tmp_path / "w", scenes=1, held_out=0, workers=1, **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenes": 0}, "at least one scene"),
        ({"seed": -1}, "seed=-1"),
        ({"samples_per_scene": 0}, "samples_per_scene=0"),
        ({"keyframe_interval_s": 0.0}, "keyframe_interval_s"),
        ({"image_hw": (8, 80)}, "image_hw"),
        ({"lidar_azimuths": 0}, "lidar_azimuths"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        generate_world(tmp_path / "w", **{"scenes": 1, "held_out": 0, **SMALL, **change})
    assert list(tmp_path.iterdir()) == []
