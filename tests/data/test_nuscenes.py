import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mim4d.data.clip import Clip, collate
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from tests.data.tiny_dataset import CAMERAS, Rows, edit_table, write_tiny_dataset

HW = (32, 64)


def open_tiny(root: Path, **options: Any) -> NuscenesDataset:
    return NuscenesDataset(root, **{"frames": 3, "image_hw": HW, **options})


def assert_same(a: Clip, b: Clip) -> None:
    for name, value in vars(a).items():
        if isinstance(value, Tensor):
            torch.testing.assert_close(value, getattr(b, name), atol=0, rtol=0)
        else:
            assert value == getattr(b, name)


def steps_shown(clip: Clip, camera: int = 0) -> list[float]:
    """Time in units of 0.1 s at which each frame's image was taken, from its red value."""
    red = clip.images[0, :, camera, 0, 2:8, 2:8].float().mean(dim=(1, 2)) / 10
    return [round(value) for value in red.tolist()]


# Values by hand: key sample 2 of scene 0 is at 1.0 s; the car is at y = 2002, x = 1000


def test_consecutive_keyframes_by_hand(tiny_original: Path) -> None:
    data = open_tiny(tiny_original)
    assert len(data) == 6  # key samples 2, 3, 4 of two scenes
    clip = data[0]
    assert clip.key == 2
    assert clip.key_tokens == ("scene0-sample2",)
    assert clip.scene_names == ("tiny-0",)
    assert clip.camera_names == ("CAM_FRONT", "CAM_BACK", "CAM_FRONT_LEFT")
    assert clip.frame_present.all()
    assert clip.image_present.all()
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-1.0, -0.5, 0.0]]))
    expected = torch.tensor([-1.02, -0.52, -0.02]).view(1, 3, 1).expand(1, 3, 3)
    torch.testing.assert_close(clip.image_times_s, expected)
    poses = torch.eye(4).repeat(1, 3, 1, 1)
    poses[0, :, 0, 3] = torch.tensor([-2.0, -1.0, 0.0])  # 2 m/s, forward is +x
    torch.testing.assert_close(clip.ref_from_ego, poses, atol=1e-5, rtol=0)
    assert torch.equal(clip.ref_from_ego[0, 2], torch.eye(4))
    assert steps_shown(clip) == [0, 5, 10]


def test_each_image_has_its_own_pose(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original)[0]
    # Mounted at x = 1.5 and exposed 0.02 s before the frame: 4 cm behind.
    expected = torch.tensor([[-2.04 + 1.5, 0, 1.5], [-1.04 + 1.5, 0, 1.5], [1.46, 0, 1.5]])
    for n in range(3):
        actual = clip.ref_from_camera[0, :, n, :3, 3]
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    front = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # z ahead, x right, y down
    torch.testing.assert_close(clip.ref_from_camera[0, 0, 0, :3, :3], front, atol=1e-6, rtol=0)
    back = torch.tensor([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])
    torch.testing.assert_close(clip.ref_from_camera[0, 0, 1, :3, :3], back, atol=1e-6, rtol=0)


def test_standing_landmarks_stay_where_they_are_in_ref(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original)[0]
    # ref x = y - 2002, ref y = 1000 - x; the car's own return and the NaN are gone.
    expected = torch.tensor([[18.0, 0, 1], [8, 5, 0], [13, -5, 2], [-22, 0, 1]])
    assert clip.valid_points.all()
    for t in range(3):
        torch.testing.assert_close(clip.points_ref[0, t], expected, atol=1e-4, rtol=0)


def test_images_are_fitted_and_intrinsics_follow(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original)[0]
    assert clip.images.shape == (1, 3, 3, 3, *HW)
    # 65x41 and 49x33 into 64x32: both are bounded by their height.
    assert clip.image_sizes[0, 0].tolist() == [[32, 51], [32, 48], [32, 51]]
    x, y = 51 / 65, 32 / 41
    expected = torch.tensor([[40 * x, 0, 25.5], [0, 40 * y, 16], [0, 0, 1]])
    torch.testing.assert_close(clip.intrinsics[0, 1, 0], expected)
    assert not clip.images[0, :, 0, :, :, 51:].any()
    assert clip.images[0, :, 0, 1, :, :51].min() > 115


def test_boxes_belong_to_their_frame(tiny_original: Path) -> None:
    data = open_tiny(tiny_original)
    clip = data[0]
    assert clip.valid_boxes.tolist() == [[[True, False], [True, False], [True, True]]]
    # 2010 + 1.5 k along y in sample k, seen from y = 2002.
    torch.testing.assert_close(clip.boxes_ref[0, :, 0, 0], torch.tensor([8.0, 9.5, 11.0]))
    torch.testing.assert_close(clip.boxes_ref[0, :, 0, 7], torch.full((3,), 3.0))
    assert clip.valid_velocities[0].tolist() == [[True, False], [True, False], [True, False]]
    assert clip.box_classes[0].tolist() == [[1, -1], [1, -1], [1, 0]]
    assert clip.box_lidar_points[0].tolist() == [[3, -1], [3, -1], [3, 3]]
    assert clip.box_visibility[0].tolist() == [[0, 0]] * 3  # the table does not say
    assert clip.category_names == data.category_names
    assert data.category_names[1] == "vehicle.car"


def test_key_frame_in_the_middle(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original, key=1)[0]
    assert clip.key_tokens == ("scene0-sample1",)
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-0.5, 0.0, 0.5]]))
    torch.testing.assert_close(clip.ref_from_ego[0, :, 0, 3], torch.tensor([-1.0, 0.0, 1.0]))


# Frames at an interval


def test_sweeps_fill_an_interval_shorter_than_the_keyframes(tiny_original: Path) -> None:
    data = open_tiny(tiny_original, frame_interval_s=0.2)
    clip = data[0]
    assert clip.key_tokens == ("scene0-sample1",)  # sample 0 has no past
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-0.4, -0.2, 0.0]]))
    torch.testing.assert_close(clip.ref_from_ego[0, :, 0, 3], torch.tensor([-0.8, -0.4, 0.0]))
    torch.testing.assert_close(clip.points_ref[0, 0], clip.points_ref[0, 2], atol=1e-4, rtol=0)
    assert steps_shown(clip) == [1, 3, 5]
    # Only the key frame is a sample and has boxes.
    assert clip.valid_boxes.any(dim=-1).tolist() == [[False, False, True]]
    assert data.image_files(0)[0][0] == "sweeps/CAM_FRONT/scene0-CAM_FRONT-1.jpg"
    assert data.image_files(0)[2][1] == "samples/CAM_BACK/scene0-CAM_BACK-5.jpg"


def test_nearest_in_time_and_the_earlier_of_two(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original, frame_interval_s=0.25, frames=2)[0]
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-0.3, 0.0]]))
    clip = open_tiny(tiny_original, frame_interval_s=0.23, frames=2)[0]
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-0.2, 0.0]]))


def test_keyframes_only_need_no_sweep_files(tiny: Path) -> None:
    shutil.rmtree(tiny / "sweeps")
    assert open_tiny(tiny)[0].image_present.all()
    with pytest.raises(DataError, match="sweeps/CAM_FRONT"):
        open_tiny(tiny, frame_interval_s=0.2)[0]


def test_frame_without_lidar_takes_time_and_pose_from_the_front_camera(
    tiny_original: Path,
) -> None:
    # Wanted: 0.94, 0.97 and 1.0 s, give or take 0.015 s; LiDAR at 0.9 and 1.0, camera at 0.98.
    data = open_tiny(tiny_original, frame_interval_s=0.03, incomplete="keep")
    clip = data[2]
    assert clip.key_tokens == ("scene0-sample2",)
    assert clip.frame_present.tolist() == [[False, True, True]]
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-0.06, -0.02, 0.0]]))
    assert clip.ref_from_ego[0, 1, 0, 3].item() == pytest.approx(-0.04, abs=1e-5)
    assert clip.valid_points.any(dim=-1).tolist() == [[False, False, True]]
    # The only image is the second frame's; it is 0.02 s from the key frame, and never used twice.
    assert clip.image_present[0].any(dim=-1).tolist() == [False, True, False]
    assert data.image_files(2)[2] == [None, None, None]


def test_image_is_used_by_one_frame_only(tiny: Path) -> None:
    def thin_out(rows: Rows) -> None:
        kept = [row for row in rows if "CAM_" not in row["token"] or row["token"].endswith("-4")]
        rows[:] = [{**row, "prev": "", "next": ""} for row in kept]

    edit_table(tiny, "sample_data", thin_out)
    # Frames at 0.2, 0.3, 0.4, 0.5 s (jitter none), images at 0.38 s only.
    data = open_tiny(tiny, frame_interval_s=0.1, frames=4, scenes=["tiny-0"])
    clip = data[0]
    assert clip.image_present[0].any(dim=-1).tolist() == [False, False, True, False]


def test_without_lidar(tiny_original: Path) -> None:
    clip = open_tiny(tiny_original, lidar=None)[0]
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-1.0, -0.5, 0.0]]))
    torch.testing.assert_close(clip.image_times_s, clip.frame_times_s[..., None].expand(1, 3, 3))
    assert clip.points_ref.shape == (1, 3, 0, 3)
    assert clip.valid_boxes.any(dim=-1).all()


# Clips that do not fit


def test_scene_starts_are_dropped_or_kept_with_gaps(tiny_original: Path) -> None:
    assert len(open_tiny(tiny_original)) == 6
    data = open_tiny(tiny_original, incomplete="keep")
    assert len(data) == 10
    clip = data[5]
    assert clip.key_tokens == ("scene1-sample0",)
    assert clip.frame_present.tolist() == [[False, False, True]]
    assert clip.image_present[0, :, 0].tolist() == [False, False, True]
    torch.testing.assert_close(clip.frame_times_s, torch.tensor([[-1.0, -0.5, 0.0]]))
    assert not clip.images[0, :2].any()
    assert torch.equal(clip.ref_from_ego[0, 0], torch.eye(4))
    assert torch.equal(clip.intrinsics[0, 0, 0], torch.eye(3))
    assert torch.equal(clip.ref_from_camera[0, 0, 0], torch.eye(4))
    assert clip.valid_points.any(dim=-1).tolist() == [[False, False, True]]
    complete = open_tiny(tiny_original)[0]
    assert_same(data[2], complete)


def test_gap_in_a_scene(tiny: Path) -> None:
    def remove(rows: Rows) -> None:
        kept = [row for row in rows if not row["token"].endswith(("_TOP-7", "FRONT-7", "-8"))]
        rows[:] = [{**row, "prev": "", "next": ""} for row in kept]

    edit_table(tiny, "sample_data", remove)
    options: dict[str, Any] = {"frame_interval_s": 0.1, "frames": 4, "scenes": ["tiny-0"]}
    whole = {open_tiny(tiny, **options)[i].key_tokens for i in range(3)}
    assert whole == {("scene0-sample1",), ("scene0-sample3",), ("scene0-sample4",)}
    clip = open_tiny(tiny, **options, incomplete="keep")[2]
    assert clip.key_tokens == ("scene0-sample2",)
    assert clip.frame_present.tolist() == [[False, False, True, True]]  # 0.7 and 0.8 s are gone


def test_clip_longer_than_every_scene(tiny_original: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_tiny(tiny_original, frames=7)
    for text in ["clip of 7", "tiny-0", "5 keyframes in 2.0 s", "Ask for fewer frames"]:
        assert text in str(caught.value)
    with pytest.raises(DataError, match=r"clip of 3 frames 1.5 s apart"):
        open_tiny(tiny_original, frame_interval_s=1.5)


def test_one_frame_of_a_scene_with_one_sample(tiny: Path) -> None:
    def first_only(rows: Rows) -> None:
        rows[:] = [{**row, "prev": "", "next": ""} for row in rows if row["token"].endswith("e0")]

    def of_first(rows: Rows) -> None:
        kept = [row for row in rows if row["sample_token"].endswith("e0")]
        rows[:] = [{**row, "prev": "", "next": ""} for row in kept]

    edit_table(tiny, "sample", first_only)
    edit_table(tiny, "sample_data", of_first)
    edit_table(tiny, "sample_annotation", of_first)
    edit_table(
        tiny,
        "scene",
        lambda rows: [r.update(last_sample_token=r["first_sample_token"]) for r in rows],
    )
    clip = open_tiny(tiny, frames=1)[0]
    assert clip.image_present.all()
    kept = open_tiny(tiny, frames=2, incomplete="keep")[0]
    assert kept.frame_present.tolist() == [[False, True]]


# Choices


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])
def test_any_number_of_cameras_and_frames(tmp_path: Path, number: int) -> None:
    names = tuple(CAMERAS)[:number]
    root = write_tiny_dataset(tmp_path / "data", names)
    frames = number - 1
    clip = open_tiny(root, frames=frames, image_hw=(41, 65))[0]
    assert clip.images.shape == (1, frames, number, 3, 41, 65)
    assert clip.camera_names == ("CAM_FRONT", *sorted(names[1:]))
    # Every image shows its own camera: sizes of the table, landmarks where the mount says.
    for n, name in enumerate(clip.camera_names):
        _, width, height = CAMERAS[name]
        stored = clip.intrinsics[0, 0, n] / clip.intrinsics.new_tensor(
            [[clip.image_sizes[0, 0, n, 1] / width], [clip.image_sizes[0, 0, n, 0] / height], [1]]
        )
        expected = torch.tensor([[40, 0, width / 2], [0, 40, height / 2], [0, 0, 1]])
        torch.testing.assert_close(stored, expected)


def test_cameras_in_the_order_asked_for(tiny_original: Path) -> None:
    data = open_tiny(tiny_original, cameras=("CAM_BACK", "CAM_FRONT"))
    swapped, usual = data[0], open_tiny(tiny_original)[0]
    assert swapped.camera_names == ("CAM_BACK", "CAM_FRONT")
    assert torch.equal(swapped.images, usual.images[:, :, [1, 0]])
    assert torch.equal(swapped.ref_from_camera, usual.ref_from_camera[:, :, [1, 0]])


def test_scenes_by_name(tiny_original: Path) -> None:
    data = open_tiny(tiny_original, scenes=["tiny-1"])
    assert [data.scene_name(i) for i in range(len(data))] == ["tiny-1"] * 3


@pytest.mark.parametrize(
    ("options", "contains"),
    [
        ({"cameras": ("CAM_FRONT", "CAM_TOP")}, ["CAM_TOP", "CAM_BACK, CAM_FRONT"]),
        ({"cameras": ()}, ["none", "CAM_BACK, CAM_FRONT"]),
        ({"lidar": "LIDAR_FRONT"}, ["LIDAR_FRONT", "LIDAR_TOP", "or pass None"]),
        ({"scenes": ["tiny-9"]}, ["tiny-9", "tiny-0, tiny-1"]),
        ({"scenes": []}, ["tiny-0, tiny-1"]),
        ({"frames": 0}, ["frames is 0"]),
        ({"key": 3}, ["key is 3", "-3 to 2"]),
        ({"frame_interval_s": 0.0}, ["frame_interval_s is 0.0"]),
        ({"image_hw": (0, 64)}, ["image_hw is (0, 64)"]),
    ],
)
def test_choices_that_are_not_there(
    tiny_original: Path, options: dict[str, Any], contains: list[str]
) -> None:
    with pytest.raises(ValueError, match=re.escape(contains[0])) as caught:
        open_tiny(tiny_original, **options)
    for text in contains:
        assert text in str(caught.value)


def test_distorted_camera_is_refused_unless_left_out(tiny: Path) -> None:
    def distort(rows: Rows) -> None:
        rows[1]["camera_distortion"] = [0.0, 0.0, 0.0]
        rows[2]["camera_distortion"] = [-0.3, 0.1, 0.0]

    edit_table(tiny, "calibrated_sensor", distort)
    with pytest.raises(DataError) as caught:
        open_tiny(tiny)
    for text in ["calib-CAM_BACK", "CAM_BACK", "-0.3", "undistort"]:
        assert text in str(caught.value)
    assert len(open_tiny(tiny, cameras=("CAM_FRONT",))) == 6


# Bad files

IMAGE = "samples/CAM_BACK/scene0-CAM_BACK-10.jpg"
SWEEP = "samples/LIDAR_TOP/scene0-LIDAR_TOP-10.pcd.bin"


@pytest.mark.parametrize(
    ("file", "damage", "problem"),
    [
        (IMAGE, Path.unlink, "not found"),
        (IMAGE, lambda path: path.write_bytes(path.read_bytes()[:200]), "cannot be decoded"),
        (SWEEP, Path.unlink, "not found"),
        (SWEEP, lambda path: path.write_bytes(b""), "has 0 bytes"),
        (SWEEP, lambda path: path.write_bytes(path.read_bytes()[:-7]), "multiple of 20"),
    ],
)
def test_bad_file_names_itself_and_its_record(
    tiny: Path, file: str, damage: Callable[[Path], object], problem: str
) -> None:
    damage(tiny / file)
    with pytest.raises(DataError) as caught:
        open_tiny(tiny)[0]
    token = Path(file).name.split(".")[0]
    for text in [str(tiny / file), f"sample_data {token}", problem]:
        assert text in str(caught.value)


def test_image_of_another_size_than_the_table(tiny: Path) -> None:
    def widen(rows: Rows) -> None:
        next(row for row in rows if row["token"] == "scene0-CAM_BACK-10")["width"] = 50

    edit_table(tiny, "sample_data", widen)
    with pytest.raises(DataError, match=r"scene0-CAM_BACK-10: .* has 49x33 pixels, .* 50x33"):
        open_tiny(tiny)[0]


def test_bad_clips_are_skipped_counted_and_reported(
    tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tiny / IMAGE).write_bytes(b"no image")  # of the clips of key samples 2, 3 and 4 of scene 0
    data = open_tiny(tiny, on_bad_clip="skip")
    assert data.num_skipped == 0
    with caplog.at_level(logging.WARNING):
        clip = data[1]
        assert data[1].key_tokens == clip.key_tokens
    assert clip.key_tokens[0].startswith("scene1")
    assert 1 <= data.num_skipped <= 3
    assert len(caplog.records) == data.num_skipped
    assert IMAGE in caplog.text


def test_skipping_counts_in_loader_processes_too(tiny: Path) -> None:
    (tiny / IMAGE).write_bytes(b"no image")
    data = open_tiny(tiny, on_bad_clip="skip")
    tokens = [c.key_tokens[0] for c in DataLoader(data, batch_size=None, num_workers=2)]
    assert all(token.startswith("scene1") for token in tokens)
    assert tokens[3:] == ["scene1-sample2", "scene1-sample3", "scene1-sample4"]
    assert data.num_skipped == 3


def test_nothing_but_bad_clips(tiny: Path) -> None:
    for path in tiny.glob("samples/CAM_FRONT/*"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of its 6 clips can be read"):
        open_tiny(tiny, on_bad_clip="skip")[0]


# Batches


def test_index_from_the_end_and_beyond(tiny_original: Path) -> None:
    data = open_tiny(tiny_original)
    assert_same(data[-1], data[5])
    with pytest.raises(IndexError):
        data[6]


@pytest.mark.slow
def test_loader_processes_give_the_same_batches(tiny_original: Path) -> None:
    data = open_tiny(tiny_original, frame_interval_s=0.2, incomplete="keep")
    alone = DataLoader(data, batch_size=4, collate_fn=collate)
    spread = DataLoader(
        data, batch_size=4, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    batches = list(alone)
    assert [batch.batch_size for batch in batches] == [4, 4, 2]
    for a, b in zip(batches, spread, strict=True):
        assert_same(a, b)
    for i in range(4):
        clip = data[i]
        assert torch.equal(batches[0].images[i : i + 1], clip.images)
        points = clip.points_ref.shape[2]
        assert torch.equal(batches[0].points_ref[i : i + 1, :, :points], clip.points_ref)


# Real data


@pytest.fixture
def real_clip(real_data: Path) -> Clip:
    return NuscenesDataset(real_data / "real_video", frames=3, image_hw=(304, 480))[0]


def test_real_video(real_clip: Clip) -> None:
    clip = real_clip
    assert clip.images.shape == (1, 3, 6, 3, 304, 480)
    assert clip.camera_names[0] == "CAM_FRONT"
    assert clip.frame_present.all()
    assert clip.image_present.all()
    assert clip.image_sizes[0, 0, 0].tolist() == [301, 480]  # 1216x1936, bounded by the width
    torch.testing.assert_close(
        clip.frame_times_s, torch.tensor([[-2.0, -1.0, 0.0]]), atol=0.02, rtol=0
    )
    steps = clip.ref_from_ego[0, :, :3, 3].diff(dim=0)
    torch.testing.assert_close(steps.norm(dim=-1), torch.full((2,), 1.26), atol=0.03, rtol=0)
    assert (steps[:, 0] > 1.2).all()  # forward
    assert clip.valid_points.sum(dim=-1).min() > 40_000
    assert clip.valid_boxes.sum(dim=-1).tolist() == [[13, 13, 13]]


def test_real_lidar_falls_into_the_images(real_clip: Clip) -> None:
    clip = real_clip
    for t in range(3):
        points = clip.points_ref[0, t][clip.valid_points[0, t]]
        for n in range(6):
            camera = transform_points(invert_rigid(clip.ref_from_camera[0, t, n]), points)
            pixels, depth = project(clip.intrinsics[0, t, n], camera)
            height, width = clip.image_sizes[0, t, n].tolist()
            inside = (depth > 0.5) & (pixels >= 0).all(-1)
            inside &= (pixels < torch.tensor([width, height])).all(-1)
            assert inside.sum() > 2000
            assert 3 < depth[inside].median() < 60
            # Ground lies below the horizon: nearer points are further down the image.
            low = inside & (pixels[:, 1] > 0.8 * height)
            assert depth[low].median() < depth[inside].median()
