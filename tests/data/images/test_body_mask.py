import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.build.data import build_dataset
from mim4d.data.augment.clip_augmentation import ClipAugmentation, ClipRequest, ImageRanges
from mim4d.data.clip import collate
from mim4d.data.images.body_mask import BodyMasks
from mim4d.data.images.placement import ImagePlacement
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from tests.data.tiny_dataset import CAMERAS
from tests.toy import toy_config


def write_mask(path: Path, size_hw: tuple[int, int], rows: slice, columns: slice) -> None:
    mask = np.zeros(size_hw, np.uint8)
    mask[rows, columns] = 1
    Image.fromarray(mask).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The front camera sees the bonnet at its lower left."""
    write_mask(tmp_path / "CAM_FRONT.png", (40, 60), slice(30, 40), slice(0, 20))
    return tmp_path


def test_a_mask_goes_where_its_image_goes(folder: Path) -> None:
    masks = BodyMasks(folder, ["CAM_FRONT"])
    placed = masks.placed(0, ImagePlacement(1.0), (40, 60), (48, 64))
    expected = torch.zeros(48, 64, dtype=torch.bool)
    expected[30:40, :20] = True
    assert torch.equal(placed, expected)
    placed = masks.placed(0, ImagePlacement(1.0, 10, 5, True), (40, 60), (32, 32))
    expected = torch.zeros(32, 32, dtype=torch.bool)
    # Rows 30 to 39 begin at 25; columns 10 to 41 are shown, 10 to 19 of them at the right.
    expected[25:32, 22:] = True
    assert torch.equal(placed, expected)


def test_a_pixel_with_any_of_the_car_in_it_belongs_to_it(folder: Path) -> None:
    placed = BodyMasks(folder, ["CAM_FRONT"]).placed(0, ImagePlacement(0.5), (40, 60), (20, 32))
    # The resampling of a half reaches a pixel further than the car's own.
    assert placed[15:20, :10].all()
    assert not placed[:14].any()
    assert not placed[:, 11:].any()


def test_a_camera_without_a_mask_is_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        masks = BodyMasks(folder, ["CAM_FRONT", "CAM_BACK"])
    assert "none for CAM_BACK" in caplog.text
    assert not masks.placed(1, ImagePlacement(1.0), (33, 49), (48, 64)).any()


def test_no_mask_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of CAM_FRONT\.png, CAM_BACK\.png found"):
        BodyMasks(tmp_path / "elsewhere", ["CAM_FRONT", "CAM_BACK"])


def test_a_mask_of_another_size_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"CAM_FRONT\.png has 60x40 pixels, .* have 49x33"):
        BodyMasks(folder, ["CAM_FRONT"]).placed(0, ImagePlacement(1.0), (33, 49), (48, 64))


def test_damaged_and_coloured_masks_are_refused(folder: Path) -> None:
    Image.new("RGB", (60, 40)).save(folder / "CAM_FRONT.png")
    with pytest.raises(DataError, match="has 3 channels"):
        BodyMasks(folder, ["CAM_FRONT"])
    (folder / "CAM_FRONT.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be decoded"):
        BodyMasks(folder, ["CAM_FRONT"])


def test_masks_of_a_data_set(tiny_original: Path, folder: Path) -> None:
    for camera in ("CAM_FRONT", "CAM_BACK"):
        _, width, height = CAMERAS[camera]
        write_mask(
            folder / f"{camera}.png", (height, width), slice(20, height), slice(0, width // 2)
        )
    data = NuscenesDataset(
        tiny_original,
        frames=2,
        image_hw=(32, 64),
        body_masks=folder,
        augmentation=ClipAugmentation(ImageRanges((1.5, 1.5), flip_probability=0.5)),
    )
    clip = data[0]
    assert clip.on_body is not None
    assert clip.on_body.shape == (1, 3, 32, 64)
    assert clip.camera_names == ("CAM_FRONT", "CAM_BACK", "CAM_FRONT_LEFT")
    # Rows 20 of 41 and of 33 on, left halves: of 51 and 48 columns at this size.
    assert clip.on_body[0, 0, 17:, :24].all()
    assert not clip.on_body[0, 0, :14].any()
    assert not clip.on_body[0, 0, :, 27:].any()
    assert clip.on_body[0, 1, 21:, :22].all()
    assert not clip.on_body[0, 2].any()
    seeds = range(6)
    augmented = [data[ClipRequest(0, seed)].on_body for seed in seeds]
    expected = [data._augmentation.draw(seed, 3).images[0].flipped for seed in seeds]
    left_most = [mask is not None and bool(mask[0, 0, -1, 0]) for mask in augmented]
    assert len(set(expected)) == 2
    assert [not flipped for flipped in expected] == left_most
    together = collate([clip, clip]).on_body
    assert together is not None
    assert together.shape == (2, 3, 32, 64)


def test_a_mask_that_does_not_fit_the_data_set(tiny_original: Path, folder: Path) -> None:
    data = NuscenesDataset(tiny_original, frames=2, image_hw=(32, 64), body_masks=folder)
    with pytest.raises(DataError, match=r"CAM_FRONT\.png has 60x40 pixels, .* have 65x41"):
        data[0]


def test_masks_beside_data_that_a_run_is_judged_on_come_first(
    tiny_original: Path, folder: Path, tmp_path: Path
) -> None:
    """A run's own masks are of the rig that it was trained on."""
    data = Path(shutil.copytree(tiny_original, tmp_path / "data"))
    (data / "body_masks").mkdir()
    for at, columns in ((folder, slice(0, 32)), (data / "body_masks", slice(32, 65))):
        write_mask(at / "CAM_FRONT.png", (41, 65), slice(20, 41), columns)
    config = toy_config(frames=1)
    config = replace(config, clip=replace(config.clip, body_masks=folder, key=0))
    for judged, left, right in ((False, True, False), (True, False, True)):
        clip = build_dataset(config, data, "train", judged=judged)[0]
        assert clip.on_body is not None
        bottom = clip.on_body[0, 0, 50]
        assert (bool(bottom[10]), bool(bottom[80])) == (left, right)
