"""All images of a clip: files to levels at their places, with sizes, intrinsics and masks.

What enters are rows of `sample_data`, by frame and camera; what leaves is padded to one size, with
the intrinsics of the placed images, in pixels. A frame's files are decoded before the first of
its pictures is resized: what the decoder needs then stays in the processor's cache, which saves a
twentieth. Not all files of the clip: so much memory would go back to the system each time.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, UInt8
from torch import Tensor

from mim4d.data.images.body_mask import BodyMasks
from mim4d.data.images.decode import DecodedImage, decode_image
from mim4d.data.images.image_draw import ImageDraw
from mim4d.data.images.image_fit import Fit
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.data.images.sky_mask import SkyMasks
from mim4d.data.tables.tables import NuscenesTables, Rows

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipImages:
    """Images of a clip; where there is none, all is zero and the intrinsics are the identity.

    Attributes:
        levels: RGB, 0 to 255; colours lie last in memory.
        sizes: Rows and columns that are picture.
        intrinsics: Of the placed images, pixels.
        on_body: Where each camera sees the car itself; None if that is not known.
        in_sky: Where each image shows sky; None if that is not known.
    """

    levels: UInt8[Tensor, "t n 3 h w"]
    sizes: Int[Tensor, "t n 2"]
    intrinsics: Float64[Tensor, "t n 3 3"]
    on_body: Bool[Tensor, "n h w"] | None
    in_sky: Bool[Tensor, "t n h w"] | None

    @classmethod
    def empty(cls, shape: Size, image_hw: Size, has_bodies: bool, has_sky: bool) -> "ClipImages":
        """Nothing yet of so many frames and cameras; levels are not even zero."""
        return cls(
            torch.empty(*shape, *image_hw, 3, dtype=torch.uint8).movedim(-1, 2),
            torch.zeros(*shape, 2, dtype=torch.long),
            torch.eye(3, dtype=torch.float64).repeat(*shape, 1, 1),
            torch.zeros(shape[1], *image_hw, dtype=torch.bool) if has_bodies else None,
            torch.zeros(*shape, *image_hw, dtype=torch.bool) if has_sky else None,
        )


class ImageReader:
    """Reads the images of clips.

    Args:
        tables: The data set.
        image_hw: Rows and columns that images are fitted into.
        fit: Whether the whole image is shown, or the target filled.
        bodies: Where cameras see the car itself; None if it is not known.
        skies: Where images show sky; None if it is not known.
    """

    def __init__(
        self,
        tables: NuscenesTables,
        image_hw: Size,
        fit: Fit,
        bodies: BodyMasks | None,
        skies: SkyMasks | None,
    ) -> None:
        self._tables = tables
        self._image_hw = image_hw
        self._fit: Fit = fit
        self._bodies = bodies
        self._skies = skies
        self._sizes: dict[int, Size] = {}
        self._told: set[int] = set()

    def read(self, rows: Rows, draws: Sequence[ImageDraw]) -> ClipImages:
        """Every image of a clip, each camera's placed by its draw.

        Args:
            rows: Row of `sample_data` of each image, `t n`; -1: no image.
            draws: For each camera, how its images are placed otherwise than usual.

        Raises:
            DataError: If a file is missing or wrong; it names the file and its record.
        """
        has_masks = (self._bodies is not None, self._skies is not None)
        images = ClipImages.empty(rows.shape, self._image_hw, *has_masks)
        sizes, target_from_stored = [], []
        for t, of_frame in enumerate(rows.tolist()):
            decoded = [
                self._decode(row, draw) if row >= 0 else None
                for row, draw in zip(of_frame, draws, strict=True)
            ]
            for n, image in enumerate(decoded):
                if image is None:
                    images.levels[t, n] = 0
                    continue
                image.write_to(images.levels[t, n])
                shape = (image.stored_hw, self._image_hw)
                sizes.append(image.placement.picture_hw(*shape))
                target_from_stored.append(image.placement.target_from_stored(*shape))
                # One mask serves all frames: their placement is the same, so must their size be.
                if self._bodies is not None and images.on_body is not None:
                    self._bodies.check(n, image.stored_hw)
                    if t == np.argmax(rows[:, n] >= 0):
                        images.on_body[n] = self._bodies.placed(n, image.placement, *shape)
                if self._skies is not None and images.in_sky is not None:
                    filename = self._tables.sample_data(int(rows[t, n])).filename
                    images.in_sky[t, n] = self._skies.placed(filename, image.placement, *shape)
        if sizes:
            present = torch.from_numpy(rows >= 0)
            images.sizes[present] = torch.tensor(sizes)
            stored = self._tables.intrinsics(rows[rows >= 0])
            images.intrinsics[present] = torch.stack(target_from_stored) @ stored
        return images

    def _decode(self, row: int, draw: ImageDraw) -> DecodedImage:
        record = self._tables.sample_data(row)

        def place(stored_hw: Size) -> ImagePlacement:
            usual = ImagePlacement.fitted(stored_hw, self._image_hw, self._fit)
            return draw.placement(usual, stored_hw, self._image_hw)

        image = decode_image(
            self._tables.root / record.filename,
            self._image_hw,
            place,
            (record.height_px, record.width_px),
            where=f"sample_data {record.token}: ",
        )
        self._compare_size(row, image.stored_hw)
        return image

    def _compare_size(self, row: int, stored_hw: Size) -> None:
        """Warn, once a calibration, of images of several sizes: it can be right for one only."""
        calibration = int(self._tables.column("sample_data", "calibrated_sensor")[row])
        usual = self._sizes.setdefault(calibration, stored_hw)
        if usual != stored_hw and calibration not in self._told:
            self._told.add(calibration)
            _LOGGER.warning(
                "%s has %dx%d pixels, others of its calibration %dx%d; it fits one of them only",
                self._tables.sample_data(row).filename,
                *reversed(stored_hw),
                *reversed(usual),
            )
