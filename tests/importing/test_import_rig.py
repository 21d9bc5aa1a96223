"""A plain folder becomes a data set: poses, calibrations, key frames, links, masks."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.build.data import build_dataset
from mim4d.cli import main
from mim4d.config import LossConfig
from mim4d.data.clip import collate
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from mim4d.geometry.camera import project
from mim4d.importing.rig_folder import read_rig_folder
from mim4d.importing.write_data_set import ImportOptions, write_data_set
from tests.importing.make import CAMERAS, SPEED_MPS, START_US, changed, write_folder
from tests.toy import toy_config, toy_draw, toy_model, toy_objective

EVERY = ImportOptions()


def imported(source, out, **options):
    return write_data_set(read_rig_folder(source), out, ImportOptions(**options))


@pytest.mark.slow
def test_the_command_imports_and_checks(tmp_path, capsys):
    source, out = write_folder(tmp_path / "drive", lidar=True), tmp_path / "data"
    assert main(["import", "rig", str(source), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "CAM_LEFT: brown, 40x30" in said
    assert "12 images linked, 12 made, 12 LiDAR sweeps" in said
    assert "passed" in said
    data = NuscenesDataset(out, frames=2, image_hw=(32, 32))
    clip = data[0]
    assert clip.image_present.all()
    assert clip.camera_names == ("CAM_FRONT", "CAM_LEFT")
    # The car drives 5 m/s along its own x, and half a second lies between key frames.
    torch.testing.assert_close(
        clip.ref_from_ego[0, 0, :3, 3], torch.tensor([-SPEED_MPS * 0.5, 0, 0]), atol=1e-4, rtol=0
    )


def test_every_image_has_its_own_pose_and_place(tmp_path):
    imported(write_folder(tmp_path / "drive"), tmp_path / "data")
    tables = NuscenesTables.open(tmp_path / "data")
    rows = tables.data_of_scene(0, "CAM_LEFT")
    times = tables.column("sample_data", "timestamp_us")[rows]
    assert times.tolist() == [START_US + i * 100_000 + 7_000 for i in range(12)]
    poses = tables.global_from_ego(rows)
    expected = 50 + SPEED_MPS * (times - START_US) * 1e-6
    np.testing.assert_allclose(poses[:, 1, 3], expected, atol=1e-9)
    forward = poses[:, :3, 0]  # north
    torch.testing.assert_close(forward, torch.tensor([[0.0, 1, 0]]).double().expand(12, 3))
    mount = tables.ego_from_sensor(rows)[0]
    torch.testing.assert_close(mount[:3, 3], torch.tensor([1.0, 0.9, 1.2]).double())
    torch.testing.assert_close(mount[:3, 2], torch.tensor([0.0, 1, 0]).double())  # looks left
    torch.testing.assert_close(mount[:3, 1], torch.tensor([0.0, 0, -1]).double())  # y down


def test_key_frames_are_half_a_second_apart_and_sweeps_belong_to_the_next(tmp_path):
    imported(write_folder(tmp_path / "drive"), tmp_path / "data")
    rows = {
        name: json.loads((tmp_path / "data" / "v1.0-rig" / f"{name}.json").read_text())
        for name in ("sample", "sample_data", "calibrated_sensor", "sensor")
    }
    assert [s["timestamp"] - START_US for s in rows["sample"]] == [0, 500_000, 1_000_000]
    front = [r for r in rows["sample_data"] if "CAM_FRONT" in r["filename"]]
    assert [r["is_key_frame"] for r in front] == [i in (0, 5, 10) for i in range(12)]
    numbers = {s["token"]: k for k, s in enumerate(rows["sample"])}
    assert [numbers[r["sample_token"]] for r in front] == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]


def test_pinhole_images_are_linked_and_their_pixels_counted_from_the_corner(tmp_path):
    source = write_folder(tmp_path / "drive")
    made = imported(source, tmp_path / "data")
    assert (made.linked, made.made) == (12, 12)
    stored = sorted((tmp_path / "data").glob("s*/CAM_FRONT/*.jpg"))
    assert {path.stat().st_ino for path in stored} == {
        path.stat().st_ino for path in (source / "CAM_FRONT").iterdir()
    }
    tables = NuscenesTables.open(tmp_path / "data")
    intrinsics = tables.intrinsics(tables.data_of_scene(0, "CAM_FRONT")[:1])[0]
    # 15.5 from the first pixel's centre, as OpenCV counts, is 16 from its corner.
    assert intrinsics.tolist() == [[20, 0, 16], [0, 20, 12], [0, 0, 1]]


def test_copies_are_files_of_their_own(tmp_path):
    source = write_folder(tmp_path / "drive")
    imported(source, tmp_path / "data", copy=True, keyframes_only=True)
    stored = sorted((tmp_path / "data" / "samples" / "CAM_FRONT").iterdir())
    assert len(stored) == 3
    assert all(path.stat().st_nlink == 1 for path in stored)
    assert not list((tmp_path / "data" / "sweeps" / "CAM_FRONT").iterdir())


def test_a_point_lies_on_its_rectified_pixel(tmp_path):
    """A lit pixel of the bent image is found where the virtual pinhole projects its direction."""
    source = write_folder(tmp_path / "drive")
    lens = {**CAMERAS["CAM_LEFT"]["lens"], "coefficients": [-0.2, 0.03, 0.001, 0.002, 0.0]}
    (source / "cameras.yaml").unlink()
    rig = {**changed("CAM_LEFT", lens=lens)}
    import yaml

    (source / "cameras.yaml").write_text(yaml.safe_dump({"cameras": rig}))
    lit_row, lit_column = 6, 9
    for path in (source / "CAM_LEFT").iterdir():
        levels = np.zeros((30, 40, 3), np.uint8)
        levels[lit_row, lit_column] = 255
        Image.fromarray(levels).save(path.with_suffix(".png"))
        path.unlink()
    imported(source, tmp_path / "data", keyframes_only=True)
    import cv2

    matrix = np.array([[25.0, 0, 19.5], [0, 25, 14.5], [0, 0, 1]])
    pixel = np.array([[[lit_column, lit_row]]], np.float64)
    x, y = cv2.undistortPoints(pixel, matrix, np.array(lens["coefficients"]))[0, 0]
    tables = NuscenesTables.open(tmp_path / "data")
    row = tables.data_of_scene(0, "CAM_LEFT")[:1]
    expected, _ = project(
        tables.intrinsics(row)[0], torch.tensor([[x, y, 1.0]], dtype=torch.float64)
    )
    file = next((tmp_path / "data" / "samples" / "CAM_LEFT").iterdir())
    with Image.open(file) as image:
        light = np.asarray(image.convert("L"), dtype=np.float64)
    light[light < 60] = 0
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    found = [(light * axis).sum() / light.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(found, expected[0], atol=0.3)


def test_a_fisheye_becomes_two_views_and_hides_what_it_does_not_show(tmp_path):
    fisheye = {
        "model": "fisheye",
        "focal_px": [12.0, 12.0],
        "centre_px": [19.5, 14.5],
        "coefficients": [0.0, 0.0, 0.0, 0.0],
    }
    source = write_folder(tmp_path / "drive", cameras=changed("CAM_LEFT", lens=fisheye))
    made = imported(source, tmp_path / "data", keyframes_only=True)
    # 40 pixels of 12 a radian: 191 degrees.
    assert "191° x 143° -> 2 views of 95° x 9" in " ".join(made.notes)
    tables = NuscenesTables.open(tmp_path / "data")
    looks = [
        tables.ego_from_sensor(tables.data_of_scene(0, f"CAM_LEFT_{n}")[:1])[0][:3, 2]
        for n in (1, 2)
    ]
    angles = [float(torch.atan2(look[1], look[0]).rad2deg()) for look in looks]
    np.testing.assert_allclose(angles, [90 + 47.7, 90 - 47.7], atol=0.1)
    wide = changed("CAM_LEFT", lens=fisheye, rectify={"yaw_deg": [0], "horizontal_deg": 150})
    imported(write_folder(tmp_path / "other", cameras=wide), tmp_path / "wide")
    assert not (tmp_path / "wide" / "body_masks" / "CAM_LEFT.png").exists()
    tilted = changed("CAM_LEFT", lens=fisheye, rectify={"yaw_deg": [80], "horizontal_deg": 90})
    imported(write_folder(tmp_path / "third", cameras=tilted), tmp_path / "aside")
    with Image.open(tmp_path / "aside" / "body_masks" / "CAM_LEFT.png") as mask:
        hidden = np.asarray(mask) > 0
    assert hidden[:, 0].mean() > 0.8  # 125° aside of the lens's axis
    assert not hidden[:, -1].any()  # 35° aside


def test_long_drives_are_cut_and_the_last_scenes_held_out(tmp_path):
    imported(write_folder(tmp_path / "d"), tmp_path / "data", scene_s=0.5, held_out=0.3)
    splits = json.loads((tmp_path / "data" / "splits.json").read_text())
    assert splits == {"train": ["d-0000", "d-0001"], "val": ["d-0002"]}


@pytest.mark.slow
def test_an_interrupted_import_is_gone_on_with(tmp_path):
    source, out = write_folder(tmp_path / "drive"), tmp_path / "data"

    def stop(done, total):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_data_set(read_rig_folder(source), out, EVERY, stop)
    assert not out.exists()
    partial = tmp_path / ".data.importing"
    before = {path: path.stat().st_mtime_ns for path in partial.glob("s*/CAM_LEFT/*.jpg")}
    assert len(before) > 0
    imported(source, out)
    assert not partial.exists()
    for path, time in before.items():
        assert (out / path.relative_to(partial)).stat().st_mtime_ns == time
    whole = tmp_path / "whole"
    imported(source, whole)
    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    assert all((whole / f).read_bytes() == (out / f).read_bytes() for f in files)


def test_an_error_leaves_nothing(tmp_path):
    source = write_folder(tmp_path / "drive")
    victim = sorted((source / "CAM_LEFT").iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:300])
    with pytest.raises(DataError, match="cannot be decoded"):
        imported(source, tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive"]


def test_boxes_are_placed_in_global(tmp_path):
    source = write_folder(tmp_path / "drive")
    header = "time_us,track,category,x_m,y_m,z_m,length_m,width_m,height_m,yaw_deg"
    lines = [f"{START_US + t},7,vehicle.car,10,2,0.8,4.5,1.9,1.6,15" for t in (0, 500_000)]
    (source / "boxes.csv").write_text("\n".join([header, *lines]) + "\n")
    assert imported(source, tmp_path / "data").boxes == 2
    clip = NuscenesDataset(tmp_path / "data", frames=1, key=0, image_hw=(32, 32), lidar=None)[0]
    assert clip.category_names == ("vehicle.car",)
    centre, size, yaw = clip.boxes_ref[0, 0, 0].split([3, 3, 3])
    torch.testing.assert_close(centre, torch.tensor([10.0, 2, 0.8]))
    torch.testing.assert_close(size, torch.tensor([4.5, 1.9, 1.6]))
    assert float(yaw[0].rad2deg()) == pytest.approx(15.0, abs=1e-3)


def test_the_template_is_a_rig_that_is_read(tmp_path, capsys):
    assert main(["import", "rig", "--template", str(tmp_path / "example")]) == 0
    assert "cameras.yaml" in capsys.readouterr().out
    from mim4d.importing.rig_file import read_rig_file

    rig = read_rig_file(tmp_path / "example" / "cameras.yaml")
    left = rig.cameras[1]
    assert [camera.name for camera in rig.cameras] == ["CAM_FRONT", "CAM_LEFT"]
    np.testing.assert_allclose(left.car_from_camera[:3, 2], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(left.car_from_camera[:3, 1], [0, 0, -1], atol=1e-12)
    assert main(["import", "rig", "--template", str(tmp_path / "example")]) == 2


@pytest.mark.slow
def test_rigs_that_differ_share_a_data_set_and_a_batch(tmp_path):
    """Cars with other cameras, sizes and fields of view: what a scene lacks is absent there."""
    write_folder(tmp_path / "cars" / "a")
    other = {"CAM_FRONT": {**CAMERAS["CAM_FRONT"], "looks_deg": {"yaw": 10}}}
    write_folder(tmp_path / "cars" / "b", cameras={**other, "CAM_SIDE": CAMERAS["CAM_LEFT"]})
    (tmp_path / "cars" / "b" / "CAM_LEFT").rename(tmp_path / "cars" / "b" / "CAM_SIDE")
    assert imported(tmp_path / "cars", tmp_path / "data").scenes == 2
    data = NuscenesDataset(tmp_path / "data", frames=1, key=0, image_hw=(64, 96), lidar=None)
    assert data.cameras == ("CAM_FRONT", "CAM_LEFT", "CAM_SIDE")
    batch = collate([data[0], data[len(data) - 1]])
    assert batch.scene_names == ("a", "b")
    assert batch.image_present[:, 0].tolist() == [[True, True, False], [True, False, True]]
    config = toy_config(frames=1)
    loss = LossConfig(distance_weight=0.0)
    model = toy_model(config)
    choices, targets = toy_draw(model, batch)
    losses = toy_objective(model, loss)(model(batch, choices), targets, batch)
    total = losses["loss"]
    total.backward()
    assert torch.isfinite(total)


def test_a_mask_of_the_own_car_is_kept(tmp_path):
    cameras = changed("CAM_FRONT", own_car_mask="front.png")
    source = write_folder(tmp_path / "drive", cameras=cameras)
    mask = np.zeros((24, 32), np.uint8)
    mask[20:] = 1
    Image.fromarray(mask).save(source / "front.png")
    notes = imported(source, tmp_path / "data").notes
    assert "CAM_FRONT: 16.7% of the pixels are hidden" in notes
    data = build_dataset(toy_config(frames=1), tmp_path / "data", "train", judged=True)
    assert data[0].on_body is not None
    assert data[0].on_body[0, 0].any()
