"""What a 3D view shows, as plain arrays: points, lines, arrows, cubes, painted ground, pictures.

Metres, in the axes of the node that a layer hangs on. Colours are RGB levels 0 to 255.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mim4d.viz.wireframe import box_segments

Colours = UInt8[np.ndarray, "p 3"]


@dataclass(frozen=True)
class Points:
    """Points of a size in metres."""

    places_m: Float[np.ndarray, "p 3"]
    colours: Colours
    size_m: float


@dataclass(frozen=True)
class Segments:
    """Straight lines between two ends; arrows point to the second."""

    ends_m: Float[np.ndarray, "p 2 3"]
    colours: Colours
    arrows: bool = False
    width_m: float = 0.05


@dataclass(frozen=True)
class Cubes:
    """Boxes of one size along the axes, by their centres."""

    centres_m: Float[np.ndarray, "p 3"]
    size_m: tuple[float, float, float]
    colours: Colours


@dataclass(frozen=True)
class Ground:
    """A picture that lies on the road: its first row is farthest along y, its first column least x.

    Attributes:
        image: Colours and opacity.
        lower_m: Least x and y.
        upper_m: Greatest x and y.
    """

    image: UInt8[np.ndarray, "y x 4"]
    lower_m: tuple[float, float]
    upper_m: tuple[float, float]


@dataclass(frozen=True)
class Pictures:
    """Cameras with what they see.

    Attributes:
        names: Channels.
        poses: Of each camera: x right, y down, z ahead.
        vertical_rad: Angle of view of each.
        images: Of each.
    """

    names: tuple[str, ...]
    poses: Float[np.ndarray, "n 4 4"]
    vertical_rad: tuple[float, ...]
    images: tuple[UInt8[np.ndarray, "_ _ 3"], ...]


Layer = Points | Segments | Cubes | Ground | Pictures


def level(colour: str) -> tuple[int, int, int]:
    """Levels of a colour written `#rrggbb`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def levels(colours: list[str]) -> Colours:
    """Levels of many."""
    return np.array([level(colour) for colour in colours], np.uint8).reshape(-1, 3)


def by_height(z_m: Float[Tensor, " p"], low_m: float = -0.5, high_m: float = 4.0) -> Colours:
    """Colours from blue on the road over green to red above the roofs of cars."""
    share = ((z_m - low_m) / (high_m - low_m)).clamp(0, 1)
    stops = torch.tensor([[59, 76, 192], [54, 168, 157], [224, 182, 52], [180, 30, 45]]).float()
    at = share * (len(stops) - 1)
    before = at.long().clamp(max=len(stops) - 2)
    mixed = torch.lerp(stops[before], stops[before + 1], (at - before)[:, None])
    return mixed.round().byte().numpy()


def wire_boxes(boxes: Float[Tensor, "k 9"], colours: list[str], width_m: float = 0.05) -> Segments:
    """Edges of boxes, the front face crossed out, each box in its colour."""
    edges = box_segments(boxes)
    repeated = np.repeat(levels(colours), edges.shape[1], axis=0)
    return Segments(edges.flatten(0, 1).numpy(), repeated, width_m=width_m)
