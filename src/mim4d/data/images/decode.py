"""Image files to pixels at their place in the target.

What enters are a file and an `ImagePlacement`; what leaves are uint8 RGB levels, written into a
tensor of the caller's. A JPEG is decoded at a half, a quarter or an eighth of its size where the
target is that small; then only the part that is shown is resized, with antialiasing (bilinear, on
fixed-point levels). Places are exact to the sub-pixel whatever was decoded: `target_from_stored` of
the placement says where each stored pixel went.

Pixels are taken as they are stored, for that is what calibrations are of: an EXIF rotation is not
applied.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.data.images.resize import Span, resize_part
from mim4d.errors import DataError, MissingFileError

Placer = Callable[[Size], ImagePlacement]
"""Chooses the placement of an image from the rows and columns stored."""

# Grey and black-and-white become three equal channels, a palette its colours, transparency is left
# out. What else Pillow reads (CMYK, 16 or 32 bits of one channel, YCbCr TIFF) is no picture of a
# camera, and how its levels should be mapped to RGB is not known.
_MODES = ("RGB", "L", "P", "RGBA", "LA", "PA", "1")

# No public name: where a Pillow has it no more, the public way takes three times as long.
_GET_ENCODER: Callable[..., Any] | None = getattr(Image, "_getencoder", None)


READABLE = "RGB or grey with 8 bits a channel"


def is_readable(mode: str) -> bool:
    """Whether pixels of a kind (Pillow's mode) are those of a camera's picture."""
    return mode in _MODES


@dataclass(frozen=True)
class DecodedImage:
    """What was decoded of an image, and where it goes.

    Attributes:
        stored_hw: Rows and columns of the file.
        placement: How the picture is laid into its target.
        levels: The part that is needed, perhaps at a half, a quarter or an eighth of its size.
        rows: What becomes of its rows.
        columns: What becomes of its columns.
    """

    stored_hw: Size
    placement: ImagePlacement
    levels: UInt8[Tensor, "h w 3"]
    rows: Span
    columns: Span

    def write_to(self, target: UInt8[Tensor, "3 ht wt"]) -> None:
        """Write the picture; what is not picture in the target becomes 0.

        Args:
            target: RGB levels. Fastest if its colours lie last in memory.
        """
        picture = resize_part(self.levels, self.rows, self.columns)
        height, width = self.rows.length, self.columns.length
        target[:, :height, :width] = picture.flip(-1) if self.placement.flipped else picture
        if (height, width) != target.shape[1:]:
            target[:, height:] = 0
            target[:, :height, width:] = 0


def decode_image(
    path: Path, target_hw: Size, place: Placer, expected_hw: Size = (0, 0), where: str = ""
) -> DecodedImage:
    """Decode what the target shows of an image.

    Args:
        path: A JPEG, PNG or whatever else Pillow reads, RGB or grey with 8 bits a channel.
        target_hw: Rows and columns of the target.
        place: Chooses the placement; it is called once the file's size is known.
        expected_hw: Rows and columns that the table gives for the stored image; 0 if it does not.
        where: What to call the record in an error message.

    Raises:
        DataError: If the file is missing or damaged, its size is not the expected one, or its
            pixels are of another kind.
    """
    with _readable(path, where):
        image = Image.open(path)
    with image:
        _check(path, image, expected_hw, where)
        stored_hw = (image.height, image.width)
        placement = place(stored_hw)
        rows, columns = _draft(image, placement, target_hw)
        with _readable(path, where):
            levels = _decode(image, rows, columns)
    return DecodedImage(stored_hw, placement, levels, rows, columns)


@contextmanager
def _readable(path: Path, where: str) -> Iterator[None]:
    """Name the file that is not there, or that the decoder stumbles over."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{where}image file {path} not found; was its archive extracted?"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{where}image file {path} cannot be decoded ({error}); the file is damaged: restore it"
        ) from error


def _check(path: Path, image: Image.Image, expected_hw: Size, where: str) -> None:
    height, width = expected_hw
    found = (image.height, image.width)
    if any(size not in (0, there) for size, there in zip(expected_hw, found, strict=True)):
        raise DataError(
            f"{where}image file {path} has {image.width}x{image.height} pixels, its table says "
            f"{width}x{height}; the calibration would not fit: restore the file or the table"
        )
    if not is_readable(image.mode):
        raise DataError(
            f"{where}image file {path} has pixels of kind {image.mode!r}; expected {READABLE}: "
            "convert the file"
        )


def _draft(image: Image.Image, placement: ImagePlacement, target_hw: Size) -> tuple[Span, Span]:
    """Set how much smaller a JPEG is decoded, and tell what is needed of rows and columns then."""
    stored_hw = (image.height, image.width)
    scaled_hw = placement.scaled_hw(stored_hw)
    picture_hw = placement.picture_hw(stored_hw, target_hw)
    crop = (placement.crop_top_px, placement.crop_left_px)
    # The size of a JPEG decoded at 1/2, 1/4 or 1/8 is rounded up; the box has the exact extent.
    draft = image.draft("RGB", (scaled_hw[1], scaled_hw[0]))
    reduction = round(stored_hw[1] / draft[1][2]) if draft else 1
    axes = zip(stored_hw, scaled_hw, crop, picture_hw, strict=True)
    rows, columns = (Span.of(h, scaled, reduction, c, size) for h, scaled, c, size in axes)
    return rows, columns


def _decode(image: Image.Image, rows: Span, columns: Span) -> UInt8[Tensor, "h w 3"]:
    """The pixels that the spans need; read-only memory."""
    image.load()
    if image.mode != "RGB":
        image = image.convert("RGB")
    height, width = rows.last - rows.first, columns.last - columns.first
    levels = _bytes_of_part(image, (columns.first, rows.first, columns.last, rows.last))
    with warnings.catch_warnings():
        # Torch warns of read-only memory; nobody writes into it.
        warnings.simplefilter("ignore", UserWarning)
        return torch.frombuffer(levels, dtype=torch.uint8).view(height, width, 3)


def _bytes_of_part(image: Image.Image, box: tuple[int, int, int, int]) -> bytes:
    """Levels of the part of a loaded RGB image from (left, top) to (right, bottom)."""
    left, top, right, bottom = box
    if _GET_ENCODER is None:
        return image.crop(box).tobytes()
    # What `tobytes` does after a crop, but without the crop's copy and in one piece instead of
    # pieces of 64 KiB that are joined: a third of the time.
    encoder = _GET_ENCODER("RGB", "raw", ("RGB", 0, 1))
    encoder.setimage(image.im, box)
    _, _, levels = encoder.encode(3 * (bottom - top) * (right - left))
    return levels
