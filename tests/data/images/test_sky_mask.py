"""Sky masks: one per image, laid into the target as the image is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.data.augment.clip_augmentation import ClipAugmentation, ClipRequest, ImageRanges
from mim4d.data.clip import collate
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from tests.data.tiny_dataset import CAMERAS


@pytest.fixture
def folder(tiny_original: Path, tmp_path: Path) -> Path:
    """A mask for every keyframe image; the sky's height and side depend on the image."""
    for path in sorted((tiny_original / "samples").glob("CAM*/*.jpg")):
        _, width, height = CAMERAS[path.parent.name]
        step = int(path.stem.rsplit("-", 1)[1])
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2 if step == 0 else height // 4, : width // 2] = 7
        target = tmp_path / path.relative_to(tiny_original).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    return tmp_path


def _data(root: Path, folder: Path, **options: Any) -> NuscenesDataset:
    return NuscenesDataset(root, frames=2, image_hw=(32, 64), sky_masks=folder, **options)


def test_every_image_has_its_own_sky(tiny_original: Path, folder: Path) -> None:
    clip = _data(tiny_original, folder)[0]
    assert clip.in_sky is not None
    assert clip.in_sky.shape == (1, 2, 3, 32, 64)
    front = clip.in_sky[0, :, clip.camera_names.index("CAM_FRONT")]
    rows, columns = clip.image_sizes[0, 0, clip.camera_names.index("CAM_FRONT")].tolist()
    assert front[0, : rows // 2 - 1, : columns // 2 - 1].all()
    assert front[1, : rows // 4 - 1, : columns // 2 - 1].all()
    assert not front[1, rows // 4 + 1 :].any()
    assert not front[:, :, columns // 2 + 1 :].any()  # padding included
    together, moved = collate([clip, clip]).in_sky, clip.to("cpu").in_sky
    assert together is not None
    assert together.shape == (2, 2, 3, 32, 64)
    assert moved is not None
    assert torch.equal(moved, clip.in_sky)


def test_the_sky_is_mirrored_with_its_image(tiny_original: Path, folder: Path) -> None:
    flip = ClipAugmentation(ImageRanges(flip_probability=1.0))
    clip = _data(tiny_original, folder, augmentation=flip)[ClipRequest(0, 1)]
    plain = _data(tiny_original, folder)[0]
    assert clip.in_sky is not None
    assert plain.in_sky is not None
    for n in range(3):
        rows, columns = clip.image_sizes[0, 0, n].tolist()
        sky, usual = (m[0, 0, n, :rows, :columns] for m in (clip.in_sky, plain.in_sky))
        assert usual[0, 0]
        assert torch.equal(sky, usual.flip(-1))


def test_missing_and_wrong_masks_are_refused(tiny_original: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        _data(tiny_original, folder / "elsewhere")
    data = _data(tiny_original, folder)
    first = sorted((folder / "samples" / "CAM_FRONT").glob("*.png"))[0]
    Image.new("L", (5, 4)).save(first)
    with pytest.raises(DataError, match=r"sky mask .*\.png has 5x4 pixels, its camera's images"):
        data[0]
    first.unlink()
    with pytest.raises(DataError, match=r"\.png of image samples/CAM_FRONT/.*\.jpg not found"):
        data[0]
