"""Contact sheets and the page, on the tiny data set with and without map and truth."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mim4d.viz.gallery import write_gallery
from mim4d.viz.sheet import PANEL_PX
from tests.data.tiny_dataset import CAMERAS, write_tiny_dataset
from tests.data.tiny_map import tiny_map


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))


def write_truth(root: Path) -> None:
    for image in (root / "samples").glob("CAM*/*.jpg"):
        with Image.open(image) as picture:
            shape = (picture.height, picture.width)
        for kind, value in (("distance", 256 * 10), ("instance", 1)):
            path = (root / "truth" / kind / image.relative_to(root)).with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            stored = np.zeros(shape, np.uint16)
            stored[5:20, 5:20] = value
            Image.fromarray(stored).save(path)


@pytest.mark.slow
def test_a_gallery(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data", tuple(CAMERAS))
    tiny_map().write(root, "nowhere")
    write_truth(root)
    out = tmp_path / "gallery"
    written = write_gallery(root, out)
    names = ["scenes.jpg", "overlays.jpg", "tiny-0.jpg", "tiny-1.jpg", "index.html"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    with Image.open(out / "scenes.jpg") as clean, Image.open(out / "overlays.jpg") as full:
        # Two tiles of three cameras in two rows beside each other; below, a legend.
        assert clean.width == full.width > 2 * 3 * PANEL_PX
        assert full.height > clean.height
    text = (out / "index.html").read_text(encoding="utf-8")
    shown, linked = (re.findall(rf'{word}="([^"]*)"', text) for word in ("src", "href"))
    assert shown == [name for name in names if name.endswith(".jpg")]  # files beside the page
    assert linked == [name for name in shown for _ in range(2)]  # picture and words under it
    assert len(text) < 10_000
    assert "<script" not in text
    assert "LiDAR, boxes and map" in text
    assert "nowhere · " in text


def test_without_map_truth_and_lidar(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    (root / "splits.json").write_text('{"train": ["tiny-1"]}')
    written = write_gallery(root, tmp_path / "out", split="train", without=("lidar",), lidar=None)
    assert [path.name for path in written][2:] == ["tiny-1.jpg", "index.html"]
    assert "and map" not in written[-1].read_text(encoding="utf-8")


def test_bad_requests(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    with pytest.raises(ValueError, match="scenes is 0"):
        write_gallery(root, tmp_path / "out", scenes=0)
    (root / "splits.json").write_text('{"train": ["tiny-0"]}')
    with pytest.raises(ValueError, match="'val'"):
        write_gallery(root, tmp_path / "out", split="val")
    assert not (tmp_path / "out").exists()
