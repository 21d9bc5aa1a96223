from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.data.augment.clip_augmentation import BevRanges, ClipAugmentation
from mim4d.viz.clip_picture import draw_clip, view_data
from mim4d.viz.overlay import visible_points
from tests.data.tiny_dataset import CAMERAS, write_tiny_dataset
from tests.data.tiny_map import tiny_map
from tests.viz.clips import make_clip, without_image


def view(root: Path, out: Path, **changed: object) -> None:
    options: dict[str, object] = {
        "index": 0,
        "frames": 3,
        "frame_interval_s": None,
        "image_hw": (41, 65),
        "lidar": "LIDAR_TOP",
        "version": None,
    }
    view_data(root, out, **{**options, **changed})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(("cameras", "frames"), [(2, 5), (6, 2)])
def test_a_data_set_is_drawn(tmp_path: Path, cameras: int, frames: int) -> None:
    root = write_tiny_dataset(tmp_path / "data", tuple(CAMERAS)[:cameras])
    out = tmp_path / "pictures" / "view.png"
    view(root, out, frames=frames)
    with Image.open(out) as picture:
        width, height = picture.size
    # Cameras are enlarged at most 8 times: 65 columns and 41 rows each, 4 pixels apart.
    scale = min(1500 / (cameras * 65), 8)
    assert width == 96 + cameras * round(65 * scale) + (cameras - 1) * 4 + 84
    assert height > 118 + frames * round(41 * scale)
    assert [path.name for path in out.parent.iterdir()] == ["view.png"]


@pytest.mark.slow
def test_an_augmented_clip_is_another_picture(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data", tuple(CAMERAS)[:2])
    augmentation = ClipAugmentation(bev=BevRanges(yaw_rad=1.0))
    pictures = []
    for options in ({}, {"augmentation": augmentation, "augment_seed": 1}):
        view(root, tmp_path / "view.png", frames=2, **options)
        with Image.open(tmp_path / "view.png") as picture:
            pictures.append(picture.crop((96, 118, picture.width, picture.height)).tobytes())
    # Below the title, which names the seed.
    assert pictures[0] != pictures[1]


@pytest.mark.slow
def test_the_map_is_drawn_where_there_is_one(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    pictures = []
    for without in ((), ("map",)):
        tiny_map().write(root, "nowhere")
        view(root, tmp_path / "view.png", frames=1, without=without)
        with Image.open(tmp_path / "view.png") as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    boundary = np.array([0x12, 0xA1, 0x50])
    counts = [(abs(picture - boundary).max(axis=-1) < 3).sum() for picture in pictures]
    assert counts[0] > 200
    assert counts[1] == 0


@pytest.mark.slow
def test_bad_requests_leave_no_picture(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data")
    with pytest.raises(ValueError, match="clip 99 asked for; it has clips 0 to 5"):
        view(root, tmp_path / "view.png", index=99)
    with pytest.raises(ValueError, match="xyz"):
        view(root, tmp_path / "view.xyz")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_points_fall_on_known_pixels() -> None:
    # 10 m ahead at the camera's height; 10 m ahead, 2 m to the left and 1 m up; one behind.
    points = torch.tensor([[10.0, 0.0, 1.0], [10.0, 2.0, 2.0], [-10.0, 0.0, 1.0]])
    pixels, distance = visible_points(make_clip([0.0], points=points), 0, 0)
    torch.testing.assert_close(pixels, torch.tensor([[40.0, 25.0], [50.0, 30.0]]))
    torch.testing.assert_close(distance, torch.tensor([105**0.5, 10.0]))


@pytest.mark.slow
def test_missing_images_points_and_boxes_are_no_obstacle() -> None:
    canvas = draw_clip(without_image(make_clip([0.0, 90.0]), 1, 0), ())
    texts = [text.get_text() for axes in canvas.figure.axes for text in axes.texts]
    assert texts.count("no image") == 1


def test_the_car_itself_is_tinted() -> None:
    clip = make_clip([0.0, 90.0])
    on_body = torch.zeros(1, 2, 64, 128, dtype=torch.bool)
    on_body[0, 1, 40:, :30] = True
    canvas = draw_clip(replace(clip, on_body=on_body), ())
    panels: list[Any] = [
        axes.get_images()[0].get_array() for axes in canvas.figure.axes if axes.get_images()
    ]
    reds = {float(panel[50, 10, 0]) - float(panel[20, 10, 0]) for panel in panels[:4]}
    # Grey half in one camera's two frames, none in the other's.
    assert sorted(round(red, 2) for red in reds) == [0.0, 0.25]
