from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mim4d.data.images import decode
from mim4d.data.images.decode import DecodedImage, decode_image
from mim4d.data.images.image_fit import Fit
from mim4d.data.images.placement import ImagePlacement
from mim4d.errors import DataError


def ramp(path: Path, height: int, width: int, **options: Any) -> Path:
    """Red grows with u by 200 over the width, green with v by 200 over the height."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    pixels = np.stack([200 * u, 200 * v, np.full_like(u, 77)], axis=-1)
    Image.fromarray(pixels.round().astype(np.uint8)).save(
        path, quality=95, subsampling=0, **options
    )
    return path


def load(
    path: Path,
    target_hw: tuple[int, int],
    fit: Fit = "inside",
    placement: ImagePlacement | None = None,
    fill: int = 0,
) -> tuple[Tensor, DecodedImage]:
    target = torch.full((*target_hw, 3), fill, dtype=torch.uint8).permute(2, 0, 1)
    place = partial(ImagePlacement.fitted, target_hw=target_hw, fit=fit)
    image = decode_image(path, target_hw, (lambda _: placement) if placement else place)
    image.write_to(target)
    return target, image


def assert_ramp(pixels: Tensor, loaded: DecodedImage, target_hw: tuple[int, int]) -> None:
    """Content lies where the placement's matrix says; ramps make a shift a change of level."""
    h, w = loaded.placement.picture_hw(loaded.stored_hw, target_hw)
    stored_from_target = torch.linalg.inv(
        loaded.placement.target_from_stored(loaded.stored_hw, target_hw)
    )
    u = stored_from_target[0, 0] * (torch.arange(2, w - 2) + 0.5) + stored_from_target[0, 2]
    v = stored_from_target[1, 1] * (torch.arange(2, h - 2) + 0.5) + stored_from_target[1, 2]
    inner = pixels[:, 2 : h - 2, 2 : w - 2].double()
    # A shift of a tenth of a pixel is a tenth of the ramp's rise per pixel, throughout.
    for colours, at, size in ((inner[0].mean(0), u, 1), (inner[1].mean(1), v, 0)):
        expected = at / loaded.stored_hw[size] * 200
        limit = max(0.3, 0.1 * abs(expected[1] - expected[0]).item())
        for part in (colours - expected).chunk(3):
            assert abs(part.mean().item()) < limit
    torch.testing.assert_close(inner[2], torch.full_like(inner[2], 77), atol=3.5, rtol=0)


# Reduced decoding is used from a half on; odd sizes test that its rounding up shifts nothing.
@pytest.mark.parametrize("stored_hw", [(203, 331), (203, 405), (101, 163), (60, 64), (200, 400)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("fit", ["inside", "cover"])
def test_content_stays_where_the_placement_says(
    tmp_path: Path, stored_hw: tuple[int, int], name: str, fit: Fit
) -> None:
    pixels, loaded = load(ramp(tmp_path / name, *stored_hw), (64, 96), fit)
    h, w = loaded.placement.picture_hw(stored_hw, (64, 96))
    assert loaded.stored_hw == stored_hw
    assert (h == 64 and w == 96) if fit == "cover" else (h == 64 or w == 96)
    assert not pixels[:, h:].any()
    assert not pixels[:, :, w:].any()
    assert_ramp(pixels, loaded, (64, 96))


@pytest.mark.parametrize(
    "placement",
    [
        ImagePlacement(0.4, 13, 9),
        ImagePlacement(0.4, 13, 9, flipped=True),
        ImagePlacement(0.1234, 0, 0, flipped=True),
        ImagePlacement(1.25, 200, 100),
        ImagePlacement(0.2, 41, 37),
    ],
)
def test_scaled_cropped_and_mirrored(tmp_path: Path, placement: ImagePlacement) -> None:
    pixels, loaded = load(ramp(tmp_path / "a.jpg", 240, 400), (64, 96), placement=placement)
    assert loaded.placement == placement
    assert_ramp(pixels, loaded, (64, 96))


@pytest.mark.parametrize("stored_hw", [(100, 100), (50, 200)])
def test_what_is_not_picture_becomes_zero(tmp_path: Path, stored_hw: tuple[int, int]) -> None:
    pixels, _ = load(ramp(tmp_path / "a.jpg", *stored_hw), (50, 96), fill=9)
    height, width = (50, 50) if stored_hw == (100, 100) else (24, 96)
    assert (pixels[2, :height, :width] > 70).all()
    assert not pixels[:, height:].any()
    assert not pixels[:, :, width:].any()


def test_the_usual_way_to_fill_256x704_of_a_nuscenes_image() -> None:
    # 704 / 1600 = 0.44 makes 396 rows, of which the upper 140 are sky.
    placement = ImagePlacement.fitted((900, 1600), (256, 704), "cover")
    assert placement == ImagePlacement(0.44, 0, 140)
    tall = ImagePlacement.fitted((1000, 1000), (100, 60), "cover")
    assert tall == ImagePlacement(0.1, 20, 0)


def test_a_placement_that_leaves_nothing_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crop less"):
        load(ramp(tmp_path / "a.jpg", 40, 40), (20, 20), placement=ImagePlacement(0.5, 0, 20))


def test_pixels_are_taken_as_they_are_stored(tmp_path: Path) -> None:
    """Calibrations are of the stored image, so an EXIF rotation is not applied."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    ramp(tmp_path / "a.jpg", 60, 100)
    ramp(tmp_path / "turned.jpg", 60, 100, exif=exif)
    (plain, _), (turned, loaded) = (load(tmp_path / n, (32, 64)) for n in ("a.jpg", "turned.jpg"))
    assert loaded.stored_hw == (60, 100)
    assert torch.equal(plain, turned)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_grey_image_becomes_rgb(tmp_path: Path, name: str) -> None:
    Image.new("L", (20, 10), 51).save(tmp_path / name)
    pixels, _ = load(tmp_path / name, (10, 20))
    assert torch.equal(pixels, torch.full((3, 10, 20), 51, dtype=torch.uint8))


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparency_and_palettes(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (20, 10), (10, 20, 30, 128))
    (image if mode == "RGBA" else image.convert("RGB").quantize()).save(tmp_path / "a.png")
    pixels, _ = load(tmp_path / "a.png", (10, 20))
    assert pixels[:, 3, 3].tolist() == [10, 20, 30]


def refusal(path: Path, expected_hw: tuple[int, int] = (0, 0)) -> str:
    place = partial(ImagePlacement.fitted, target_hw=(32, 64))
    with pytest.raises(DataError) as caught:
        decode_image(path, (32, 64), place, expected_hw, "sample_data x: ")
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


@pytest.mark.parametrize(
    ("name", "make", "kind"),
    [
        ("a.jpg", lambda: Image.new("CMYK", (20, 10)), "'CMYK'"),
        ("a.png", lambda: Image.fromarray(np.zeros((10, 20), np.uint16)), "'I;16'"),
        ("a.tif", lambda: Image.new("F", (20, 10)), "'F'"),
    ],
)
def test_pixels_of_another_kind(
    tmp_path: Path, name: str, make: Callable[[], Image.Image], kind: str
) -> None:
    make().save(tmp_path / name)
    message = refusal(tmp_path / name)
    assert kind in message
    assert "expected RGB or grey" in message


def test_other_size_than_the_table(tmp_path: Path) -> None:
    message = refusal(ramp(tmp_path / "a.jpg", 60, 100), (90, 160))
    assert "100x60" in message
    assert "160x90" in message


def test_a_table_without_sizes_says_nothing_and_a_negative_size_is_wrong(tmp_path: Path) -> None:
    path = ramp(tmp_path / "a.jpg", 60, 100)
    whole = partial(ImagePlacement.fitted, target_hw=(32, 64))
    for known in ((0, 0), (60, 100), (0, 100)):
        assert decode_image(path, (32, 64), whole, known).stored_hw == (60, 100)
    assert "its table says -100x60" in refusal(path, (60, -100))


@pytest.mark.parametrize("fit", ["inside", "cover"])
def test_without_the_private_encoder_the_pixels_are_the_same(
    tmp_path: Path, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ramp(tmp_path / "a.jpg", 203, 331)
    expected, _ = load(path, (64, 96), fit)
    assert decode._GET_ENCODER is not None
    monkeypatch.setattr(decode, "_GET_ENCODER", None)
    assert torch.equal(load(path, (64, 96), fit)[0], expected)
