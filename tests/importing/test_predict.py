"""Prediction for a folder of images with cameras.yaml and nothing else."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from mim4d.build.tasks import build_task
from mim4d.cli import main
from mim4d.config.presets import task_preset
from mim4d.evaluation.predicted_clip import ply, predict_clip
from mim4d.evaluation.view import EvaluatedView
from mim4d.importing.points import read_points
from mim4d.importing.still_folder import read_still_folder
from mim4d.runs.record import create_run
from mim4d.runs.run_files import checkpoint_path
from tests.importing.make import START_US, write_folder
from tests.toy import toy_clip, toy_config, toy_model


@pytest.fixture
def still(tmp_path):
    folder = write_folder(tmp_path / "still")
    (folder / "poses.csv").unlink()
    return folder


def test_moments_are_scenes_of_their_own(still):
    moments = read_still_folder(still)
    assert len(moments) == 12
    assert all(len(moment.cameras) == 2 for moment in moments)
    assert [
        image.time_us - START_US for camera in moments[3].cameras for image in camera.images
    ] == [
        300_000,
        307_000,
    ]


def test_one_image_of_each_camera(still, tmp_path, caplog):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "cameras.yaml").write_text((still / "cameras.yaml").read_text())
    assert main(["predict", str(tmp_path / "no-run"), str(bare)]) == 2
    with pytest.raises(FileNotFoundError, match=r"expected CAM_FRONT\.jpg, CAM_LEFT\.jpg"):
        read_still_folder(bare)
    next((still / "CAM_FRONT").iterdir()).rename(bare / "CAM_FRONT.jpg")
    (moment,) = read_still_folder(bare)
    assert [camera.name for camera in moment.cameras] == ["CAM_FRONT"]
    assert "no image of CAM_LEFT" in caplog.text


def test_points_and_voxels_are_those_of_the_rendering():
    """Points lie where rays end; a voxel is solid where the signed distance is negative."""
    config = toy_config(frames=1)
    model = toy_model(config).eval()
    clip = toy_clip(0, frames=1)
    view = EvaluatedView.of(config, 16)
    predicted = predict_clip(model, clip, view, "cpu")
    arrays = predicted.arrays()
    assert arrays["distance_m"].shape == (clip.num_cameras, *view.lattice)
    assert arrays["occupied"].equal(arrays["sdf_m"] < 0)
    assert arrays["occupied"].shape == view.grid.shape_zyx
    rays = view.rays(clip)
    ends = rays.origins[0] + rays.directions[0] * predicted.seen.distances_m.flatten()[:, None]
    for point in predicted.points_ego[:5]:
        assert (ends - point).norm(dim=-1).min() < 1e-4
    assert len(predicted.points_ego) == len(predicted.point_colours)


def test_a_ply_file_is_read_back(tmp_path):
    points = np.random.default_rng(0).normal(0, 5, (4, 3)).astype(np.float32)
    colours = np.arange(12, dtype=np.uint8).reshape(4, 3)
    (tmp_path / "a.ply").write_bytes(ply(points, colours))
    read = read_points(tmp_path / "a.ply", ("x", "y", "z"), "float32")
    np.testing.assert_array_equal(read[:, :3], points)


@pytest.mark.slow
def test_the_command_writes_pictures_arrays_and_points(still, tmp_path, monkeypatch, capsys):
    config = toy_config()
    model = toy_model(config).eval()
    monkeypatch.setattr("mim4d.runs.loading.load_model", lambda run: (model, config))
    run = tmp_path / "run"
    create_run(run, config, tmp_path, [], {})
    checkpoint_path(run, 1).parent.mkdir()
    checkpoint_path(run, 1).touch()
    command = ["predict", str(run), str(still), "--out", str(tmp_path / "p"), "--clips", "1"]
    assert main([*command, "--stride", "8"]) == 0
    names = capsys.readouterr().out.split()
    assert [name.rsplit(".")[-1] for name in names] == ["png", "safetensors", "ply"]
    with Image.open(names[0]) as picture:
        assert picture.width > 500
    assert torch.isfinite(load_file(names[1])["sdf_m"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["bev_segmentation", "detection", "hd_map", "occupancy"])
def test_tasks_say_of_bare_images_what_they_see(task, still, tmp_path, monkeypatch, capsys):
    config = task_preset("toy", task)
    head, model = build_task(config)
    loaded = (model.eval(), head, config)
    for place in ("evaluation.asked_clips", "evaluation.detection.predict"):
        monkeypatch.setattr(f"mim4d.{place}.load_task", lambda run, **options: loaded)
    run = tmp_path / "run"
    create_run(run, config, tmp_path, [], {})
    checkpoint_path(run, 1).parent.mkdir()
    checkpoint_path(run, 1).touch()
    command = ["predict", str(run), str(still), "--out", str(tmp_path / "p"), "--clips", "1"]
    assert main(command) == 0
    pictures = [name for name in capsys.readouterr().out.split() if name.endswith(".png")]
    assert len(pictures) == (2 if task == "occupancy" else 1)
    for name in pictures:
        with Image.open(name) as picture:
            assert picture.width > 500
            assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 20
    if task == "detection":
        assert main([*command, "--submission", str(tmp_path / "s.json")]) == 2
        assert "needs a data set" in capsys.readouterr().err
