"""Laws that tie files of truth to each other, to the images, to the sweeps and to the boxes."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import (
    read_distance,
    read_instances,
    read_motion,
    read_point_flow,
    read_point_instances,
    read_scene_flow,
)
from mim4d.data.truth.scene_motion import SceneMotion
from mim4d.errors import DataError

SIZE = (48, 80)


@pytest.fixture(scope="module")
def opened(film: Path, tmp_path_factory: pytest.TempPathFactory) -> NuscenesTables:
    return NuscenesTables.open(film, cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def motion(opened: NuscenesTables) -> SceneMotion:
    return read_motion(opened, 0)


def cameras_and_rows(opened):
    for channel in opened.channels("camera"):
        yield channel, opened.data_of_scene(0, channel).tolist()


def pixels_in_global(opened, row, distance):
    pose = (opened.global_from_ego(np.array([row])) @ opened.ego_from_sensor(np.array([row])))[
        0
    ].numpy()
    intrinsics = opened.intrinsics(np.array([row]))[0].numpy()
    u, v = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(intrinsics).T
    rays *= distance[..., None] / np.linalg.norm(rays, axis=-1, keepdims=True)
    return rays @ pose[:3, :3].T + pose[:3, 3], intrinsics @ np.linalg.inv(pose)[:3]


def test_every_measurement_has_its_truth(film, film_tables):
    for row in film_tables["sample_data"].values():
        name = Path(row["filename"])
        stem = Path(name.parent, name.name.split(".")[0])
        endings = {"lidar": ".npy"} if row["fileformat"] == "pcd" else {}
        for kind, ending in (endings or {"distance": ".png", "instance": ".png"}).items():
            assert (film / "truth" / kind / f"{stem}{ending}").is_file()


def test_pixels_move_as_their_body_does(opened, motion):
    """A pixel's point, moved by its body to the next exposure, is what that image shows there."""
    agree = moving = 0
    for _, rows in cameras_and_rows(opened):
        for row, later in pairwise(rows):
            record, after = opened.sample_data(row), opened.sample_data(later)
            distance = read_distance(opened.root, Path(record.filename), SIZE).double().numpy()
            instances = read_instances(opened.root, Path(record.filename), SIZE).numpy()
            next_distance = read_distance(opened.root, Path(after.filename), SIZE).double().numpy()
            next_instances = read_instances(opened.root, Path(after.filename), SIZE).numpy()
            points, _ = pixels_in_global(opened, row, distance)
            _, projection = pixels_in_global(opened, later, next_distance)
            eye = np.linalg.inv(projection[:, :3]) @ -projection[:, 3]
            for number in np.unique(instances[instances > 0]).tolist():
                to_next = motion.displacement(number, record.timestamp_us, after.timestamp_us)
                own = points[instances == number]
                moved = own @ to_next[:3, :3].T + to_next[:3, 3]
                pixel = moved @ projection[:, :3].T + projection[:, 3]
                u, v = pixel[:, 0] / pixel[:, 2], pixel[:, 1] / pixel[:, 2]
                inside = (pixel[:, 2] > 0.1) & (u > 0) & (v > 0) & (u < SIZE[1]) & (v < SIZE[0])
                i, j = v[inside].astype(int), u[inside].astype(int)
                same = next_instances[i, j] == number
                far = np.linalg.norm(moved[inside] - eye, axis=1)
                near = np.abs(next_distance[i, j] - far) < 0.35
                agree += (same & near).sum()
                moving += inside.sum()
    assert moving > 300
    assert agree > 0.8 * moving  # others pass the edge of a silhouette, or are hidden by then


def test_flow_is_the_derivative_of_the_displacement(opened, motion):
    moving = 0
    half_us = 500
    for _, rows in cameras_and_rows(opened):
        for row in rows[1:-1]:
            record = opened.sample_data(row)
            flow, valid = read_scene_flow(opened, row, motion, SIZE)
            instances = read_instances(opened.root, Path(record.filename), SIZE)
            distance = read_distance(opened.root, Path(record.filename), SIZE)
            assert torch.equal(valid, distance > 0)
            standing = instances <= len(motion.standing_poses)
            assert (flow[standing] == 0).all()
            points, _ = pixels_in_global(opened, row, distance.double().numpy())
            for number in instances[~standing].unique().tolist():
                here = (instances == number).numpy()
                time = record.timestamp_us
                ends = [
                    points[here] @ m[:3, :3].T + m[:3, 3]
                    for m in (
                        motion.displacement(number, time, time + side * half_us) for side in (-1, 1)
                    )
                ]
                expected = (ends[1] - ends[0]) / (2e-6 * half_us)
                np.testing.assert_allclose(flow[torch.from_numpy(here)], expected, atol=0.03)
                moving += here.sum()
    assert moving > 100


def test_flow_in_another_frame_is_turned(opened, motion):
    row = next(
        row
        for _, rows in cameras_and_rows(opened)
        for row in rows
        if read_scene_flow(opened, row, motion, SIZE)[0].abs().max() > 1.0
    )
    quarter = torch.tensor([[0.0, 1, 0, 9], [-1, 0, 0, 9], [0, 0, 1, 9], [0, 0, 0, 1]])
    plain, _ = read_scene_flow(opened, row, motion, SIZE)
    half = (SIZE[0], SIZE[1] // 2)
    right, _ = read_scene_flow(
        opened, row, motion, half, shown=lambda size: (size[1] // 2, 0, size[1], size[0])
    )
    assert torch.equal(right, plain[:, SIZE[1] // 2 :])
    turned, _ = read_scene_flow(opened, row, motion, SIZE, quarter)
    torch.testing.assert_close(turned[..., 0], plain[..., 1])
    torch.testing.assert_close(turned[..., 1], -plain[..., 0])


def test_points_lie_on_their_bodies(opened, motion):
    """Each point, seen from its body when it was measured, lies in the body's box."""
    on_movers = 0
    for row in opened.data_of_scene(0, "LIDAR_TOP").tolist():
        instances, times_us = (part.numpy() for part in read_point_instances(opened, row))
        record = opened.sample_data(row)
        assert (times_us <= record.timestamp_us).all()
        assert (times_us > record.timestamp_us - 50_000).all()
        flow = read_point_flow(opened, row, motion).numpy()
        assert (flow[instances <= len(motion.standing_poses)] == 0).all()
        pose = (opened.global_from_ego(np.array([row])) @ opened.ego_from_sensor(np.array([row])))[
            0
        ].numpy()
        stored = np.fromfile(opened.root / record.filename, np.float32).reshape(-1, 5)[:, :3]
        points = stored.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
        hit = np.flatnonzero(instances)
        poses = motion.poses(instances[hit], times_us[hit])
        dx, dy = (points[hit, :2] - poses[:, :2]).T
        cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        own = np.stack([cos * dx + sin * dy, cos * dy - sin * dx, points[hit, 2]], axis=-1)
        k = instances[hit] - 1
        beyond = np.abs(own - motion.box_centres_m[k]) - motion.box_sizes_lwh_m[k] / 2
        # The range noise of 2 cm, and the car's rays leave within a tenth of a turn.
        assert beyond.max() < 0.15
        on_movers += (instances > len(motion.standing_poses)).sum()
    assert on_movers > 50


def test_boxes_are_where_the_motion_says(opened, motion, film_tables):
    for box in film_tables["sample_annotation"].values():
        number = motion.number_of(box["instance_token"])
        time = film_tables["sample"][box["sample_token"]]["timestamp"]
        x, y, yaw = motion.poses(np.array([number]), np.array([time]))[0]
        cx, cy, cz = motion.box_centres_m[number - 1]
        centre = [x + np.cos(yaw) * cx - np.sin(yaw) * cy, y + np.sin(yaw) * cx + np.cos(yaw) * cy]
        np.testing.assert_allclose(box["translation"], [*centre, cz], atol=1e-9)
        length, width, height = motion.box_sizes_lwh_m[number - 1]
        np.testing.assert_allclose(box["size"], [width, length, height])


def test_velocities_from_boxes_are_the_true_ones(motion, film_tables):
    """The official rule: difference of the neighbours' positions over their times."""
    boxes, samples = film_tables["sample_annotation"], film_tables["sample"]
    compared = 0
    for box in boxes.values():
        if not (box["prev"] and box["next"]):
            continue
        before, after = boxes[box["prev"]], boxes[box["next"]]
        times = [samples[b["sample_token"]]["timestamp"] for b in (before, box, after)]
        official = np.subtract(after["translation"], before["translation"])
        official /= (times[2] - times[0]) * 1e-6
        number = np.array([motion.number_of(box["instance_token"])])
        centre = np.array([box["translation"]])
        true = motion.velocities(number, np.array(times[1:2]), centre)[0]
        # Over half a second; 4 m/s² of braking that begins there would differ by half a metre/s.
        np.testing.assert_allclose(official, true, atol=0.5)
        compared += bool(np.linalg.norm(true) > 1.0)
    assert compared > 2


def test_damaged_truth_is_named(opened, motion, film, tmp_path):
    row = int(opened.data_of_scene(0, "LIDAR_TOP")[0])
    path = film / "truth" / "lidar" / Path(opened.sample_data(row).filename.split(".")[0] + ".npy")
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:200])
        with pytest.raises(DataError, match=r"\.npy: not a readable array"):
            read_point_flow(opened, row, motion)
        np.save(path, np.zeros((3, 2), np.int32))
        with pytest.raises(DataError, match=r"its truth 3: make the world anew"):
            read_point_flow(opened, row, motion)
        path.unlink()
        with pytest.raises(DataError, match=r"exact instances of .* not found"):
            read_point_flow(opened, row, motion)
    finally:
        path.write_bytes(whole)
