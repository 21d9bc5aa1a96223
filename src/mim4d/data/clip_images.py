"""All images of a clip: files to levels at their places, with sizes, intrinsics and body masks.

What enters are rows of `sample_data`, by frame and camera; what leaves is padded to one size, with
the intrinsics of the placed images, in pixels. All files are decoded before the first picture is
resized: what the decoder needs then stays in the processor's cache, which saves a tenth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, UInt8
from torch import Tensor

from mim4d.data.augmentation import ImageDraw
from mim4d.data.body_mask import BodyMasks
from mim4d.data.images import DecodedImage, decode_image
from mim4d.data.placement import Fit, ImagePlacement, Size
from mim4d.data.tables import NuscenesTables, Rows


@dataclass(frozen=True)
class ClipImages:
    """Images of a clip; where there is none, all is zero and the intrinsics are the identity.

    Attributes:
        levels: RGB, 0 to 255; colours lie last in memory.
        sizes: Rows and columns that are picture.
        intrinsics: Of the placed images, pixels.
        on_body: Where each camera sees the car itself; None if that is not known.
    """

    levels: UInt8[Tensor, "t n 3 h w"]
    sizes: Int[Tensor, "t n 2"]
    intrinsics: Float64[Tensor, "t n 3 3"]
    on_body: Bool[Tensor, "n h w"] | None


class ImageReader:
    """Reads the images of clips.

    Args:
        tables: The data set.
        image_hw: Rows and columns that images are fitted into.
        fit: Whether the whole image is shown, or the target filled.
        masks: Where cameras see the car itself; None if it is not known.
    """

    def __init__(
        self, tables: NuscenesTables, image_hw: Size, fit: Fit, masks: BodyMasks | None
    ) -> None:
        self._tables = tables
        self._image_hw = image_hw
        self._fit: Fit = fit
        self._masks = masks

    def read(self, rows: Rows, draws: Sequence[ImageDraw]) -> ClipImages:
        """Every image of a clip, each camera's placed by its draw.

        Args:
            rows: Row of `sample_data` of each image, `t n`; -1: no image.
            draws: For each camera, how its images are placed otherwise than usual.

        Raises:
            DataError: If a file is missing or wrong; it names the file and its record.
        """
        present = np.argwhere(rows >= 0).tolist()
        decoded = {(t, n): self._decode(int(rows[t, n]), draws[n]) for t, n in present}
        on_body = self._body_masks(decoded, rows.shape) if self._masks is not None else None
        levels = torch.empty(*rows.shape, *self._image_hw, 3, dtype=torch.uint8).movedim(-1, 2)
        sizes = torch.zeros(*rows.shape, 2, dtype=torch.long)
        target_from_stored = torch.eye(3, dtype=torch.float64).repeat(*rows.shape, 1, 1)
        for t, n in np.ndindex(*rows.shape):
            if image := decoded.pop((t, n), None):
                image.write_to(levels[t, n])
                shape = (image.stored_hw, self._image_hw)
                sizes[t, n] = torch.tensor(image.placement.picture_hw(*shape))
                target_from_stored[t, n] = image.placement.target_from_stored(*shape)
            else:
                levels[t, n] = 0
        stored = self._tables.intrinsics(np.maximum(rows.ravel(), 0)).view_as(target_from_stored)
        intrinsics = torch.where(
            torch.from_numpy(rows >= 0)[..., None, None],
            target_from_stored @ stored,
            target_from_stored,
        )
        return ClipImages(levels, sizes, intrinsics, on_body)

    def _body_masks(self, images: Mapping[tuple[int, int], DecodedImage], shape: Size) -> Tensor:
        """One mask serves all frames of a camera: placement and size must be the same in all."""
        assert self._masks is not None
        on_body = torch.zeros(shape[1], *self._image_hw, dtype=torch.bool)
        for n in range(shape[1]):
            of_camera = [images[t, n] for t in range(shape[0]) if (t, n) in images]
            for image in of_camera:
                self._masks.check(n, image.stored_hw)
            for image in of_camera[:1]:
                on_body[n] = self._masks.placed(n, image.placement, image.stored_hw, self._image_hw)
        return on_body

    def _decode(self, row: int, draw: ImageDraw) -> DecodedImage:
        record = self._tables.sample_data(row)

        def place(stored_hw: Size) -> ImagePlacement:
            usual = ImagePlacement.fitted(stored_hw, self._image_hw, self._fit)
            return draw.placement(usual, stored_hw, self._image_hw)

        return decode_image(
            self._tables.root / record.filename,
            self._image_hw,
            place,
            (record.height_px, record.width_px),
            where=f"sample_data {record.token}: ",
        )
