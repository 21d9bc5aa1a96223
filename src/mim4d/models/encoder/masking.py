"""Patch masks: which square cells of each image the encoder may see.

`visible` is True where a cell is shown (`b t n hp wp`, patches of `patch_px` pixels). Cells are
drawn for every image on its own, so that the same place may be hidden in one camera or frame and
shown in another (MIM4D, arXiv 2403.08760; 30 % of 32-pixel patches are hidden), or once for all
frames of a camera. Nothing here is global: a mask is an ordinary tensor that the caller passes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def draw_patch_mask(
    shape: tuple[int, ...],
    patches_hw: tuple[int, int],
    mask_ratio: float,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "*b hp wp"]:
    """Draw the visible cells of each image, uniformly and independently.

    Args:
        shape: Leading axes, one entry per image in all, e.g. `(b, t, n)`.
        patches_hw: Rows and columns of cells of one image.
        mask_ratio: Share of hidden cells, in [0, 1); exactly `round(hp · wp · (1 − mask_ratio))`
            cells of every image stay visible.
        generator: A CPU generator, so that the mask does not depend on the device.
        device: Where the result is put.

    Raises:
        ValueError: If the ratio leaves no cell visible, or is not in [0, 1).
    """
    hp, wp = patches_hw
    num_visible = num_visible_cells(patches_hw, mask_ratio)
    if not 0 <= mask_ratio < 1 or num_visible < 1:
        raise ValueError(
            f"mask_ratio: expected a share in [0, 1) that leaves a visible cell, got {mask_ratio} "
            f"of {hp} x {wp} cells; lower the ratio or use smaller patches"
        )
    order = torch.rand(prod(shape), hp * wp, generator=generator).argsort(dim=1, stable=True)
    visible = torch.zeros(order.shape, dtype=torch.bool)
    visible.scatter_(1, order[:, :num_visible], True)
    return visible.reshape(*shape, hp, wp).to(device)


def num_visible_cells(patches_hw: tuple[int, int], mask_ratio: float) -> int:
    """How many cells of every image a drawn mask shows."""
    return round(prod(patches_hw) * (1 - mask_ratio))


@dataclass(frozen=True)
class PatchMasking:
    """How images are masked; see `MaskConfig`.

    Attributes:
        ratio: Share of hidden cells.
        patch_px: Side of a cell, pixels.
        shared_over_time: Whether all frames of a camera hide the same cells.
    """

    ratio: float
    patch_px: int
    shared_over_time: bool = False

    def draw(
        self, images_shape: Sequence[int], generator: torch.Generator
    ) -> Bool[Tensor, "b t n hp wp"]:
        """Draw the visible cells of images `b t n c h w`; see `draw_patch_mask`."""
        b, t, n = images_shape[:3]
        frames = 1 if self.shared_over_time else t
        cells_hw = self._cells_hw(images_shape)
        visible = draw_patch_mask((b, frames, n), cells_hw, self.ratio, generator)
        return visible.expand(b, t, n, *cells_hw)

    def max_visible(self, images_shape: Sequence[int]) -> int:
        """What the visible cells of no image exceed; hidden padding makes them fewer."""
        return num_visible_cells(self._cells_hw(images_shape), self.ratio)

    def _cells_hw(self, images_shape: Sequence[int]) -> tuple[int, int]:
        return images_shape[-2] // self.patch_px, images_shape[-1] // self.patch_px


def hide_padding(
    visible: Bool[Tensor, "b t n hp wp"],
    image_sizes: Int[Tensor, "b t n 2"],
    patch_px: int,
) -> Bool[Tensor, "b t n hp wp"]:
    """Hide the cells that hold no pixel of the picture; all others stay as drawn.

    Args:
        visible: The mask as drawn.
        image_sizes: Rows and columns of each image that are picture; padding is at the right and
            the bottom. An image that does not exist may have size 0.
        patch_px: Edge of a cell, pixels.
    """
    hp, wp = visible.shape[-2:]
    rows_px = torch.arange(hp, device=visible.device) * patch_px
    columns_px = torch.arange(wp, device=visible.device) * patch_px
    has_row = rows_px < image_sizes[..., :1]
    has_column = columns_px < image_sizes[..., 1:]
    return visible & has_row[..., :, None] & has_column[..., None, :]


def enlarge_mask(visible: Bool[Tensor, "*b hp wp"], factor: int) -> Bool[Tensor, "*b h w"]:
    """Repeat every cell `factor` times along both axes."""
    *leading, hp, wp = visible.shape
    cells = visible[..., :, None, :, None].expand(*leading, hp, factor, wp, factor)
    return cells.reshape(*leading, hp * factor, wp * factor)


def patch_size_px(images_shape: Sequence[int], visible_shape: Sequence[int], stride_px: int) -> int:
    """Edge in pixels of the square cells of a mask `m hp wp` over images `m c h w`.

    Args:
        images_shape: Shape `m c h w` of the images.
        visible_shape: Shape `m hp wp` of their mask.
        stride_px: Stride of the coarsest feature map, which a cell must not be smaller than.

    Raises:
        ValueError: If there is not one mask per image, the cells are not squares of whole pixels,
            or one is not a multiple of the stride.
    """
    (m, _, h, w), (masks, hp, wp) = images_shape, visible_shape
    if m != masks:
        raise ValueError(f"visible: expected one mask per image, got {masks} masks for {m} images")
    if h % hp or w % wp or h // hp != w // wp:
        raise ValueError(
            f"visible: {hp} x {wp} cells do not cut an image of {h} x {w} pixels into squares; "
            "expected height / rows = width / columns, a whole number"
        )
    if (h // hp) % stride_px:
        raise ValueError(
            f"visible: cells of {h // hp} pixels are no multiple of the encoder's stride "
            f"{stride_px}; use larger patches or drop the coarsest stages (out_stages)"
        )
    return h // hp
