from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.data.images import fitted_size, load_image
from mim4d.errors import DataError


def ramp(path: Path, height: int, width: int) -> Path:
    """Red grows with u by 200 over the width, green with v by 200 over the height."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    pixels = np.stack([200 * u, 200 * v, np.full_like(u, 77)], axis=-1)
    Image.fromarray(pixels.round().astype(np.uint8)).save(path, quality=95, subsampling=0)
    return path


def test_fitted_size() -> None:
    assert fitted_size(900, 1600, (256, 704)) == (256, 455)
    assert fitted_size(1216, 1936, (608, 640)) == (402, 640)
    assert fitted_size(41, 65, (41, 65)) == (41, 65)
    assert fitted_size(1, 1000, (32, 64)) == (1, 64)


# Reduced decoding is used from a half on; odd sizes test that its rounding up shifts nothing.
@pytest.mark.parametrize("stored_hw", [(203, 331), (203, 405), (101, 163), (60, 64)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_content_stays_where_the_scales_say(
    tmp_path: Path, stored_hw: tuple[int, int], name: str
) -> None:
    path = ramp(tmp_path / name, *stored_hw)
    loaded = load_image(path, (64, 96), stored_hw)
    h, w = loaded.height_px, loaded.width_px
    assert loaded.pixels.shape == (3, 64, 96)
    assert h == 64 or w == 96
    assert loaded.scale_x == w / stored_hw[1]
    assert loaded.scale_y == h / stored_hw[0]
    assert not loaded.pixels[:, h:].any()
    assert not loaded.pixels[:, :, w:].any()
    inner = loaded.pixels[:, 2 : h - 2, 2 : w - 2] * 255
    # The ramps rise by 2 or more a pixel; a shift of a tenth of a pixel would be 0.2 throughout.
    errors_u = inner[0].mean(0) - (torch.arange(2, w - 2) + 0.5) / w * 200
    errors_v = inner[1].mean(1) - (torch.arange(2, h - 2) + 0.5) / h * 200
    for part in (*errors_u.chunk(3), *errors_v.chunk(3)):
        assert abs(part.mean().item()) < 0.2
    torch.testing.assert_close(inner[2], torch.full_like(inner[2], 77), atol=2.5, rtol=0)


def test_grey_image_becomes_rgb(tmp_path: Path) -> None:
    Image.new("L", (20, 10), 51).save(tmp_path / "grey.png")
    pixels = load_image(tmp_path / "grey.png", (10, 20)).pixels
    torch.testing.assert_close(pixels, torch.full((3, 10, 20), 0.2))


def refusal(path: Path, expected_hw: tuple[int, int] = (0, 0)) -> str:
    with pytest.raises(DataError) as caught:
        load_image(path, (32, 64), expected_hw, "sample_data x: ")
    assert "sample_data x: " in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    assert "not found" in refusal(tmp_path / "a.jpg")


@pytest.mark.parametrize("keep", [0, 10, 300, -50])
def test_damaged_file(tmp_path: Path, keep: int) -> None:
    path = ramp(tmp_path / "a.jpg", 60, 100)
    path.write_bytes(path.read_bytes()[:keep])
    assert "cannot be decoded" in refusal(path)


def test_other_size_than_the_table(tmp_path: Path) -> None:
    message = refusal(ramp(tmp_path / "a.jpg", 60, 100), (90, 160))
    assert "100x60" in message
    assert "160x90" in message
