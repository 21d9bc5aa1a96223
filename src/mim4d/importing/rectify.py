"""Images of any lens become images of pinhole cameras, which is all that the rest knows.

What enters are a lens and the wish for one or several views; what leaves are images, masks of the
pixels without picture, and exact distances where there are any. The views have the lens's centre,
so distances along the rays stay as they are.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8, UInt16
from torch import Tensor

from mim4d.geometry.lenses.lens import Lens, directions_from_pixels, pixels_from_directions
from mim4d.importing.rotations import (
    FORWARD_FROM_OPTICAL,
    Rotation,
    from_yaw_pitch_roll,
)

WIDEST_SINGLE_DEG = 120.0
WIDEST_PAIR_DEG = 200.0
TALLEST_DEG = 90.0
_COARSE = 0.7
"""Views of less resolution than this share of the source are made of a reduced source."""

Size = tuple[int, int]


@dataclass(frozen=True)
class View:
    """A pinhole camera at the place of another, without distortion, its axis in its middle.

    Attributes:
        camera_from_view: How it is turned.
        focal_px: In both directions.
        size_wh: Columns and rows.
    """

    camera_from_view: Rotation
    focal_px: float
    size_wh: Size

    @property
    def intrinsics(self) -> list[list[float]]:
        """Pixels from the camera's axes."""
        (width, height), f = self.size_wh, self.focal_px
        return [[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]]

    @property
    def field_of_view_deg(self) -> tuple[float, float]:
        """Width and height in degrees."""
        width, height = (
            math.degrees(2 * math.atan(size / 2 / self.focal_px)) for size in self.size_wh
        )
        return width, height

    def directions(self) -> Float[Tensor, "h w 3"]:
        """Directions through the pixels' centres in the axes of the camera that it stands for."""
        width, height = self.size_wh
        u = (torch.arange(width, dtype=torch.float64) + 0.5 - width / 2) / self.focal_px
        v = (torch.arange(height, dtype=torch.float64) + 0.5 - height / 2) / self.focal_px
        x, y = torch.meshgrid(u, v, indexing="xy")
        own = torch.stack([x, y, torch.ones_like(x)], dim=-1)
        return own @ torch.from_numpy(self.camera_from_view).T


@dataclass(frozen=True)
class ViewWish:
    """What a user wants of the views; None leaves the choice to us.

    Attributes:
        yaw_deg: Where each view looks, to the left of the camera's own axis.
        pitch_deg: How far the views are raised.
        horizontal_deg: Width of each.
        vertical_deg: Height of each.
        width_px: Columns of each.
    """

    yaw_deg: tuple[float, ...] | None = None
    pitch_deg: float = 0.0
    horizontal_deg: float | None = None
    vertical_deg: float | None = None
    width_px: int | None = None


def view_names(camera: str, count: int) -> tuple[str, ...]:
    """Channels of a camera's views."""
    if count < 2:
        return (camera,)
    return tuple(f"{camera}_{number}" for number in range(1, count + 1))


def field_of_view_deg(lens: Lens, size_wh: Size) -> tuple[float, float, float, float]:
    """How far an image reaches to the left, right, top and bottom of the axis, degrees."""
    width, height = size_wh
    u, v = lens.centre_px
    across = torch.linspace(0.0, width, 2 * width + 1, dtype=torch.float64)
    along = torch.linspace(0.0, height, 2 * height + 1, dtype=torch.float64)
    row, row_shown = directions_from_pixels(
        lens, torch.stack([across, torch.full_like(across, v)], dim=-1)
    )
    column, column_shown = directions_from_pixels(
        lens, torch.stack([torch.full_like(along, u), along], dim=-1)
    )
    sides = torch.atan2(row[:, 0], row[:, 2])[row_shown].rad2deg()
    ends = torch.atan2(column[:, 1], column[:, 2])[column_shown].rad2deg()
    return -float(sides.min()), float(sides.max()), -float(ends.min()), float(ends.max())


def pixels_per_radian(lens: Lens) -> float:
    """Resolution at the optical axis."""
    step = 1e-4
    near = torch.tensor([[0.0, 0, 1], [step, 0, 1]], dtype=torch.float64)
    pixels, _ = pixels_from_directions(lens, near)
    return float((pixels[1] - pixels[0]).norm()) / step


def choose_views(lens: Lens, size_wh: Size, wish: ViewWish) -> tuple[View, ...]:
    """The views that a camera's images become: none for a pinhole, unless some are wished for.

    As much of the picture as fits into 120° × 90° is kept in one view, at the resolution that the
    lens has at its axis. A wider lens becomes two views side by side, beyond 200° three.
    """
    if lens.is_straight and wish == ViewWish():
        return ()
    left, right, top, bottom = field_of_view_deg(lens, size_wh)
    yaws, wide = _split(left, right, wish)
    tall = wish.vertical_deg or min(2 * max(top, bottom), TALLEST_DEG)
    half_w, half_h = (math.tan(math.radians(angle / 2)) for angle in (wide, tall))
    focal = pixels_per_radian(lens)
    width = wish.width_px or round(2 * focal * half_w)
    focal = width / 2 / half_w
    height = round(2 * focal * half_h)
    return tuple(View(_turned(yaw, wish.pitch_deg), focal, (width, height)) for yaw in yaws)


def _split(left: float, right: float, wish: ViewWish) -> tuple[tuple[float, ...], float]:
    """Yaw of each view (to the left), and the width of all of them, degrees."""
    whole = left + right
    if wish.yaw_deg is not None:
        even = min(whole / len(wish.yaw_deg), WIDEST_SINGLE_DEG)
        return wish.yaw_deg, wish.horizontal_deg or even
    if wish.horizontal_deg is not None:
        return (0.0,), wish.horizontal_deg
    if whole <= WIDEST_SINGLE_DEG:
        return (0.0,), min(2 * max(left, right), WIDEST_SINGLE_DEG)
    count = 2 if whole <= WIDEST_PAIR_DEG else 3
    each = whole / count
    return tuple(left - (i + 0.5) * each for i in range(count)), each


def _turned(yaw_deg: float, pitch_deg: float) -> Rotation:
    """`camera_from_view` of a view that looks so far to the left and up."""
    body = from_yaw_pitch_roll(yaw_deg, pitch_deg, 0.0)
    turned: Rotation = FORWARD_FROM_OPTICAL.T @ body @ FORWARD_FROM_OPTICAL
    return turned


class Rectifier:
    """Makes one view's images out of a camera's.

    Args:
        lens: Of the images.
        size_wh: Of the images.
        view: The pinhole camera wanted.
    """

    def __init__(self, lens: Lens, size_wh: Size, view: View) -> None:
        pixels, shown = pixels_from_directions(lens, view.directions())
        u, v = pixels.unbind(-1)
        width, height = size_wh
        self.shown: Bool[Tensor, "h w"] = shown & (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
        size = pixels.new_tensor([width, height])
        # The sampler's axes: -1 and 1 are the outer edges of the first and last pixels.
        self._grid = (2 * pixels / size - 1).clamp(-2, 2).float()[None]
        self.source_wh = _reduced(size_wh, view.focal_px / pixels_per_radian(lens))
        """Size that images should be reduced to beforehand, so that nothing is skipped over."""

    def image(self, levels: UInt8[np.ndarray, "hs ws 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Colours, between the four nearest pixels; black where there is no picture."""
        source = torch.from_numpy(levels).permute(2, 0, 1)[None].float()
        sampled = torch.nn.functional.grid_sample(
            source, self._grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0]
        sampled = sampled.round_().clamp_(0, 255) * self.shown
        return np.ascontiguousarray(sampled.byte().permute(1, 2, 0).numpy())

    def nearest(self, values: UInt16[np.ndarray, "hs ws"]) -> UInt16[np.ndarray, "h w"]:
        """Values that must not be mixed (distances, numbers); 0 where there is no picture."""
        height, width = values.shape
        grid = self._grid[0]
        columns = ((grid[..., 0] + 1) / 2 * width).floor().long().clamp(0, width - 1).numpy()
        rows = ((grid[..., 1] + 1) / 2 * height).floor().long().clamp(0, height - 1).numpy()
        picked: UInt16[np.ndarray, "h w"] = values[rows, columns]
        return np.where(self.shown.numpy(), picked, np.uint16(0))


def _reduced(size_wh: Size, resolution: float) -> Size:
    if resolution >= _COARSE:
        return size_wh
    width, height = (max(round(size * resolution), 1) for size in size_wh)
    return width, height
