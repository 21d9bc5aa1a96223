"""Random changes of a clip for training: of its images, and of the world seen from above.

What enters are ranges and a seed; what leaves is one `ClipChange`, whose image placements the
reader follows while it decodes, and which then changes colours and the world of the clip that was
read. Everything about one clip comes from its seed alone, never from time or from the process that
reads it. Each camera has its own draw, shared by all frames: a video stays a video.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from mim4d.data.augment.bev_transform import BevTransform
from mim4d.data.augment.colour_jitter import ColourJitter
from mim4d.data.augment.rig_change import RigChange, RigRanges
from mim4d.data.clip import Clip
from mim4d.data.images.image_draw import ImageDraw

Range = tuple[float, float]
_SAME_RIG, _UNCHANGED = RigChange(), RigRanges()


@dataclass(frozen=True)
class ClipRequest:
    """What a sampler asks a data set for.

    Attributes:
        index: Which clip.
        seed: Seed of its augmentation.
        key_alone: Whether only its key frame is read.
    """

    index: int
    seed: int
    key_alone: bool = False


@dataclass(frozen=True)
class ImageRanges:
    """How images are placed.

    Attributes:
        scale: Factor on the size at which images are placed without augmentation. Where it is a
            range, what exceeds the target is cropped at a random place.
        flip_probability: Of mirroring left to right.
    """

    scale: Range = (1.0, 1.0)
    flip_probability: float = 0.0


@dataclass(frozen=True)
class ColourRanges:
    """How colours change. Factors are drawn from 1 − x to 1 + x, the hue from −x to x.

    Attributes:
        brightness: Of the factor on all colours.
        contrast: Of the factor on the difference to mid-grey.
        saturation: Of the factor on the difference to the pixel's grey.
        hue_rad: Of the turn about the grey axis.
        shared_by: Whether all cameras of a clip change alike, or each for itself.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue_rad: float = 0.0
    shared_by: Literal["clip", "camera"] = "clip"


@dataclass(frozen=True)
class BevRanges:
    """How the world changes, seen from above.

    Attributes:
        yaw_rad: Largest turn about z, both ways.
        scale: Factor on every length.
        flip_x_probability: Of exchanging front and back.
        flip_y_probability: Of exchanging left and right.
    """

    yaw_rad: float = 0.0
    scale: Range = (1.0, 1.0)
    flip_x_probability: float = 0.0
    flip_y_probability: float = 0.0


@dataclass(frozen=True)
class ClipChange:
    """Everything that is changed about one clip.

    Attributes:
        images: One draw per camera.
        colours: One per camera.
        bev: Of the world.
        rig: Which cameras there are, and how they are turned.
    """

    images: tuple[ImageDraw, ...]
    colours: tuple[ColourJitter, ...]
    bev: BevTransform
    rig: RigChange = _SAME_RIG

    def apply(self, clip: Clip) -> Clip:
        """Change a clip (b = 1) whose images were placed by `images`."""
        clip = self.bev.apply(self.rig.apply(clip))
        if all(colour.changes_nothing for colour in self.colours):
            return clip
        images = clip.images.clone()
        for t, n in torch.nonzero(clip.image_present[0]).tolist():
            height, width = clip.image_sizes[0, t, n].tolist()
            picture = images[0, t, n, :, :height, :width]
            picture.copy_(self.colours[n].apply(picture[None])[0])
        return replace(clip, images=images)


@dataclass(frozen=True)
class ClipAugmentation:
    """Ranges of everything; the defaults change nothing."""

    images: ImageRanges = ImageRanges()
    colours: ColourRanges = ColourRanges()
    bev: BevRanges = BevRanges()
    rig: RigRanges = _UNCHANGED

    @property
    def changes_nothing(self) -> bool:
        """Whether every clip would leave as it is stored."""
        return self == ClipAugmentation()

    def draw(self, seed: int, num_cameras: int) -> ClipChange:
        """The change that belongs to a seed.

        Every number is drawn whether it is used or not, so that a changed range changes nothing
        else.
        """
        generator = torch.Generator().manual_seed(seed)
        bev = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        rows = torch.rand(num_cameras, 8, generator=generator, dtype=torch.float64)
        # After all others, so that these stay what they were before there were any.
        rig = torch.rand(num_cameras, 4, generator=generator, dtype=torch.float64)
        shared = rows[:1].expand_as(rows) if self.colours.shared_by == "clip" else rows
        return ClipChange(
            images=tuple(self._draw_image(row) for row in rows[:, :4]),
            colours=tuple(self._draw_colour(row) for row in shared[:, 4:]),
            bev=self._draw_bev(bev),
            rig=self.rig.draw(rig),
        )

    def _draw_image(self, shares: Tensor) -> ImageDraw:
        scale, left, top, flip = shares.tolist()
        flipped = flip < self.images.flip_probability
        if self.images.scale == (1.0, 1.0):
            return ImageDraw(flipped=flipped)
        return ImageDraw(_between(self.images.scale, scale), (left, top), flipped)

    def _draw_colour(self, shares: Tensor) -> ColourJitter:
        brightness, contrast, saturation, hue = (2 * share - 1 for share in shares.tolist())
        ranges = self.colours
        return ColourJitter(
            1 + ranges.brightness * brightness,
            1 + ranges.contrast * contrast,
            1 + ranges.saturation * saturation,
            ranges.hue_rad * hue,
        )

    def _draw_bev(self, shares: list[float]) -> BevTransform:
        yaw, scale, flip_x, flip_y = shares
        ranges = self.bev
        return BevTransform(
            ranges.yaw_rad * (2 * yaw - 1),
            _between(ranges.scale, scale),
            flip_x < ranges.flip_x_probability,
            flip_y < ranges.flip_y_probability,
        )


def _between(limits: Range, share: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * share
