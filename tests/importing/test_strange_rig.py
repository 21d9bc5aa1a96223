"""A world of five cameras of three kinds, written as a plain folder, against the world itself."""

import csv
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from mim4d.check.check_data import check_data
from mim4d.cli import main
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import read_distance
from mim4d.geometry.lenses.lens import directions_from_pixels
from mim4d.importing.rectify import Rectifier, ViewWish, choose_views
from mim4d.importing.rig_folder import read_rig_folder
from mim4d.importing.rotations import FORWARD_FROM_OPTICAL, from_yaw_pitch_roll
from mim4d.importing.write_data_set import ImportOptions, write_data_set
from mim4d.runs.metrics_file import read_metrics
from mim4d.world.scene.layout import sample_layout
from mim4d.world.scene.town import placement
from mim4d.world.sensing.rig import mounted
from mim4d.world.sensing.sensors import Stage
from mim4d.world.sensing.tracks import track
from tests.importing.strange_rig import SILENT, Wide, cameras
from tests.shared import made_once, run_module

pytestmark = pytest.mark.slow
SECONDS, SCALE = "2.2", "0.35"
CHANNELS = (
    *("CAM_FRONT", "CAM_BACK_LEFT", "CAM_BACK_RIGHT"),
    *("CAM_LEFT_1", "CAM_LEFT_2", "CAM_RIGHT_1", "CAM_RIGHT_2"),
)


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    def make(path):
        run_module(
            "tests.importing.strange_rig", path / "drives", "--seconds", SECONDS, "--scale", SCALE
        )
        write_data_set(read_rig_folder(path / "drives"), path / "data", ImportOptions())

    return made_once(tmp_path_factory, "strange-rig", make)


def test_poses_are_the_worlds_and_the_check_finds_no_error(strange):
    tables = NuscenesTables.open(strange / "data")
    assert set(tables.channels("camera")) == set(CHANNELS)
    with (strange / "drives" / "drive-0" / "poses.csv").open() as file:
        told = {int(row["time_us"]): row for row in csv.DictReader(file)}
    for channel in CHANNELS:
        rows = tables.data_of_scene(0, channel)
        times = tables.column("sample_data", "timestamp_us")[rows].tolist()
        name = channel.removesuffix("_1").removesuffix("_2")
        assert len(rows) == len(list((strange / "drives" / "drive-0" / name).iterdir()))
        for pose, time in zip(tables.global_from_ego(rows), times, strict=True):
            row = told[time]
            position = [float(row[f"{axis}_m"]) for axis in "xyz"]
            np.testing.assert_allclose(pose[:3, 3], position, atol=1e-6)
            yaw = 2 * math.atan2(float(row["qz"]), float(row["qw"]))
            np.testing.assert_allclose(pose[:2, 0], [math.cos(yaw), math.sin(yaw)], atol=1e-6)
    report = check_data(strange / "data")
    assert report.findings.count("error") == 0, report.text()
    silent = np.diff(tables.column("sample_data", "timestamp_us")[tables.data_of_scene(0, SILENT)])
    assert silent.max() > 900_000


def test_the_car_is_as_strange_as_it_should_be(strange):
    """A pinhole of 120°, two of 70° and another size, two fisheyes of 190°, 7 Hz, no LiDAR."""
    wide, left, right, *sides = cameras(1.0).values()
    degrees = [
        2 * math.degrees(math.atan(s[0] / 2 / lens.focal_px[0]))
        for lens, s, *_ in (wide, left, right)
    ]
    assert degrees == pytest.approx([120.0, 70.0, 70.0])
    assert left[1] == right[1] != wide[1]
    for lens, size, *_ in sides:
        assert lens.model == "fisheye"
        middle = torch.tensor([[size[0] - 1e-6, size[1] / 2]], dtype=torch.float64)
        ray = directions_from_pixels(lens, middle)[0][0]
        assert 2 * math.degrees(math.acos(ray[2] / ray.norm())) == pytest.approx(190.0, abs=3.0)
    tables = NuscenesTables.open(strange / "data")
    assert not tables.channels("lidar")
    for channel in CHANNELS:
        times = tables.column("sample_data", "timestamp_us")[tables.data_of_scene(0, channel)]
        steps = np.diff(times) * 1e-6
        usual = steps[steps < 0.9]
        assert len(steps) - len(usual) == (channel == SILENT)
        assert usual.mean() == pytest.approx(1 / 7, abs=0.01)
        assert 0.003 < usual.std() < 0.02  # jitter of up to 20 ms


def test_it_trains_and_predicts_without_lidar(strange, tmp_path, capsys):
    run, stills = tmp_path / "run", tmp_path / "stills"
    training = ["--clip.lidar", "None", "--render.no-use-lidar", "--loss.distance-weight", "0"]
    training += ["--loss.photometric-weight", "5"]
    training += ["--optim.steps", "2", "--device", "cpu", "--workers", "0"]
    command = ["pretrain", "toy", "--data", str(strange / "data"), "--out", str(run), *training]
    assert main(command) == 0, capsys.readouterr().err
    losses = read_metrics(run)["loss"]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    stills.mkdir()
    shutil.copy(strange / "drives" / "cameras.yaml", stills)
    for name in cameras(1.0):
        image = min((strange / "drives" / "drive-0" / name).iterdir())
        shutil.copy(image, stills / f"{name}.jpg")
    command = ["predict", str(run), str(stills), "--out", str(tmp_path / "seen"), "--stride", "8"]
    assert main([*command, "--device", "cpu"]) == 0, capsys.readouterr().err
    arrays = load_file(next((tmp_path / "seen").rglob("*.safetensors")))
    assert len(arrays["distance_m"]) == len(CHANNELS)
    assert arrays["distance_m"].isfinite().all()


def test_mounts_are_those_of_the_rig(strange):
    tables = NuscenesTables.open(strange / "data")
    for name, (_, _, position, yaw) in cameras(float(SCALE)).items():
        for channel in CHANNELS:
            if not channel.startswith(name) or channel.startswith(f"{name}_R"):
                continue
            mount = tables.ego_from_sensor(tables.data_of_scene(0, channel)[:1])[0]
            np.testing.assert_allclose(mount[:3, 3], position, atol=1e-9)
            aside = {"1": 94.0 / 2, "2": -94.0 / 2}.get(channel[-1], 0.0)
            looks = math.degrees(math.atan2(mount[1, 2], mount[0, 2]))
            assert math.remainder(looks - yaw - aside, 360.0) == pytest.approx(0.0, abs=1.0)


def test_exact_distances_lie_on_the_road_that_the_pixels_look_at(strange):
    """The road is flat: where a ray of known elevation meets it is known."""
    tables = NuscenesTables.open(strange / "data")
    for channel in CHANNELS:
        row = tables.data_of_scene(0, channel)[3:4]
        record = tables.sample_data(int(row[0]))
        with Image.open(strange / "data" / record.filename) as image:
            width, height = image.size
        truth = read_distance(strange / "data", Path(record.filename), (height, width)).double()
        u, v = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
        pixels = torch.stack([u + 0.5, v + 0.5, torch.ones_like(u)], dim=-1).double()
        rays = pixels @ torch.linalg.inv(tables.intrinsics(row)[0]).T
        mount = tables.ego_from_sensor(row)[0]
        down = (rays @ mount[:3, :3].T)[..., 2] / rays.norm(dim=-1)
        expected = -mount[2, 3] / down
        road = (down < -0.1) & ((truth - expected).abs() < 0.15 * expected) & (truth > 0)
        assert road.double().mean() > 0.1, channel
        told = torch.asin(-mount[2, 3] / truth[road])
        assert float((told - torch.asin(down[road])).rad2deg().median().abs()) < 0.1, channel


def test_rectified_distances_are_turned_by_less_than_a_tenth_of_a_degree():
    """The world's own distances along the rays of a view, turned a little, fit best unturned."""
    layout = sample_layout(np.random.SeedSequence((9, 0)), 1.0, placement("train", 0, 1.0))
    stage = Stage(layout, track(layout, np.array([0])))
    lens, size, position, yaw = cameras(1.0)["CAM_LEFT"]
    turned = from_yaw_pitch_roll(yaw, 0.0, 0.0) @ FORWARD_FROM_OPTICAL
    camera = Wide("CAM_LEFT", mounted(*position, turned), np.diag([90.0, 90.0, 1.0]), size[::-1])

    def distances(rays):
        return stage.take_picture(camera, np.ascontiguousarray(rays), 0, 0, False).distance_m

    u, v = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="xy")
    rays, shown = directions_from_pixels(lens, torch.stack([u, v], dim=-1).double() + 0.5)
    seen = distances(rays.numpy())
    steps = np.where(shown.numpy() & (seen < 255), np.rint(seen * 256), 0).astype(np.uint16)
    for view in choose_views(lens, size, ViewWish()):
        warped = Rectifier(lens, size, view).nearest(steps) / 256
        own = view.directions()
        own = (own / own.norm(dim=-1, keepdim=True)).numpy()
        for axis in range(3):
            angles = np.array([-0.6, 0.0, 0.6])
            misfits = []
            for angle in angles:
                vector = np.zeros(3)
                vector[axis] = math.radians(angle)
                turn = torch.linalg.matrix_exp(torch.from_numpy(np.cross(np.eye(3), -vector)))
                exact = distances(own @ turn.numpy().T)
                good = (warped > 0) & (exact < 60)
                misfits.append(np.abs(np.log(warped[good] / exact[good])).mean())
            best = np.polyfit(angles, misfits, 2)
            assert best[0] > 0
            assert abs(-best[1] / (2 * best[0])) < 0.1, (axis, misfits)


def test_the_rig_file_is_what_the_docs_show(strange):
    rig = yaml.safe_load((strange / "drives" / "cameras.yaml").read_text())
    assert set(rig["cameras"]) == set(cameras(1.0))
