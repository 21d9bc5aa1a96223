"""A lens: pixels to directions and back, for the models that calibration tools give.

Directions are in camera axes (x right, y down, z along the optical axis). Where pixels are counted
from is the lens's own business: `centre_px` says where the optical axis lies. Angles in radians.

    pinhole  u = f x/z + c
    brown    the same after `brown_conrady.distort`                   OpenCV: 4, 5 or 8 coefficients
    fisheye  Kannala and Brandt: θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸) from the axis     OpenCV: 4
    mei      a unit sphere seen from ξ behind its middle, then `brown`         ξ k1 k2 [p1 p2]
    ftheta   pixels from the axis = c0 + c1 θ + c2 θ² + ...
    ftheta-of-radius   θ = c0 + c1 r + c2 r² + ..., r in pixels

Sources: J. Kannala and S. Brandt, "A generic camera model ...", 2006; C. Mei and P. Rives, "Single
view point omnidirectional camera calibration from planar grids", 2007.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.geometry.lenses.brown_conrady import COUNTS, FARTHEST, distort, radial_reach, undistort
from mim4d.geometry.lenses.radial import Law, inverse, polynomial, reach

MODELS = {
    "pinhole": (0,),
    "brown": COUNTS[1:],
    "fisheye": (4,),
    "mei": (3, 5),
    "ftheta": tuple(range(2, 13)),
    "ftheta-of-radius": tuple(range(2, 13)),
}
"""Models, and how many coefficients each may have."""
WIDEST_RAD = math.radians(140.0)
"""No lens is followed farther from its axis."""
_AXIS = 1e-12


@dataclass(frozen=True)
class Lens:
    """One lens with its sensor.

    Attributes:
        model: One of `MODELS`.
        focal_px: Horizontal and vertical; for f-theta a factor on the radius, usually 1.
        centre_px: Where the optical axis meets the image.
        coefficients: Of the model, in the order above.
    """

    model: str
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"lens model {self.model!r}: expected one of {', '.join(MODELS)}")
        if len(self.coefficients) not in MODELS[self.model]:
            counts = " or ".join(map(str, MODELS[self.model]))
            raise ValueError(
                f"lens model {self.model!r}: {len(self.coefficients)} coefficients, wants {counts}"
            )
        numbers = (*self.focal_px, *self.centre_px, *self.coefficients)
        if not all(map(math.isfinite, numbers)) or min(self.focal_px) <= 0:
            raise ValueError(
                f"lens: focal length {self.focal_px} px, centre {self.centre_px} px, coefficients "
                f"{self.coefficients}: expected finite numbers and positive focal lengths"
            )

    @property
    def is_straight(self) -> bool:
        """Whether straight lines stay straight: a pinhole needs no rectification."""
        return self.model == "pinhole" or (self.model == "brown" and not any(self.coefficients))

    def scaled(self, horizontal: float, vertical: float) -> "Lens":
        """The lens of a resized image; pixels must be counted from the first one's corner."""
        (fx, fy), (cx, cy) = self.focal_px, self.centre_px
        return replace(
            self,
            focal_px=(fx * horizontal, fy * vertical),
            centre_px=(cx * horizontal, cy * vertical),
        )

    def moved(self, pixels: float) -> "Lens":
        """The same lens, with pixels counted from elsewhere: both coordinates grow by `pixels`."""
        return replace(self, centre_px=(self.centre_px[0] + pixels, self.centre_px[1] + pixels))


def pixels_from_directions(
    lens: Lens, directions: Float[Tensor, "*b 3"]
) -> tuple[Float[Tensor, "*b 2"], Bool[Tensor, "*b"]]:
    """Where the lens shows directions (of any length).

    Returns:
        Pixels, and whether the lens shows the direction at all; pixels are finite anyway.
    """
    directions = directions / directions.norm(dim=-1, keepdim=True)
    x, y, z = directions.unbind(-1)
    match lens.model:
        case "pinhole" | "brown":
            safe = z.clamp(min=1.0 / FARTHEST / 10)
            plane = torch.stack([x / safe, y / safe], dim=-1)
            shown = z > 0
            if lens.model == "brown":
                limit = radial_reach(lens.coefficients)
                shown = shown & (plane.norm(dim=-1) <= limit)
                plane = distort(plane, lens.coefficients)
        case "mei":
            xi, *bending = lens.coefficients
            behind = z + xi
            shown = behind > _least_behind(xi)
            safe = behind.clamp(min=_AXIS)
            plane = torch.stack([x / safe, y / safe], dim=-1)
            shown = shown & (plane.norm(dim=-1) <= radial_reach(_four(bending)))
            plane = distort(plane, _four(bending))
        case _:
            aside = torch.hypot(x, y)
            angle = torch.atan2(aside, z)
            limit = _angle_limit(lens)
            shown = angle <= limit
            radius = _radius(lens, angle.clamp(max=limit))
            plane = torch.stack([x, y], dim=-1) * (radius / aside.clamp(min=_AXIS)).unsqueeze(-1)
    focal, centre = (plane.new_tensor(pair) for pair in (lens.focal_px, lens.centre_px))
    return plane * focal + centre, shown


def directions_from_pixels(
    lens: Lens, pixels: Float[Tensor, "*b 2"]
) -> tuple[Float[Tensor, "*b 3"], Bool[Tensor, "*b"]]:
    """Unit directions along which pixels look.

    Returns:
        Directions, and whether the lens shows anything there; elsewhere directions are the axis.
    """
    focal, centre = (pixels.new_tensor(pair) for pair in (lens.focal_px, lens.centre_px))
    plane = (pixels - centre) / focal
    match lens.model:
        case "pinhole" | "brown":
            plane = undistort(plane, lens.coefficients) if lens.model == "brown" else plane
            directions = torch.cat([plane, torch.ones_like(plane[..., :1])], dim=-1)
        case "mei":
            xi, *bending = lens.coefficients
            plane = undistort(plane, _four(bending))
            r2 = plane.square().sum(dim=-1, keepdim=True)
            # Where the line of sight meets the unit sphere.
            root = (1 + (1 - xi * xi) * r2).sqrt()
            factor = (xi + root) / (1 + r2)
            directions = torch.cat([plane * factor, factor - xi], dim=-1)
        case _:
            radius, limit = plane.norm(dim=-1), _angle_limit(lens)
            angle = _angle(lens, radius, limit)
            aside = plane * (angle.sin() / radius.clamp(min=_AXIS)).unsqueeze(-1)
            directions = torch.cat([aside, angle.cos().unsqueeze(-1)], dim=-1)
            beyond = radius > _radius(lens, torch.full_like(radius, limit))
            directions = torch.where(beyond.unsqueeze(-1), torch.nan, directions)
    shown = ~directions.isnan().any(dim=-1)
    axis = directions.new_tensor([0.0, 0.0, 1.0])
    directions = torch.where(shown.unsqueeze(-1), directions, axis)
    return directions / directions.norm(dim=-1, keepdim=True), shown


def _four(bending: list[float]) -> tuple[float, ...]:
    """Coefficients of Mei's lens (k1 k2 [p1 p2]) as those of Brown and Conrady's."""
    return (*bending, *[0.0] * (4 - len(bending)))


def _least_behind(xi: float) -> float:
    """Smallest z + ξ whose point of the sphere is not hidden by the sphere itself."""
    return xi - 1.0 / xi if xi > 1.0 else _AXIS


def _law(lens: Lens) -> Law:
    """The polynomial of an angle or a radius that a lens bends by."""
    if lens.model == "fisheye":
        k1, k2, k3, k4 = lens.coefficients
        odd = (0.0, 1.0, 0.0, k1, 0.0, k2, 0.0, k3, 0.0, k4)
        return lambda angle: polynomial(odd, angle)
    return lambda x: polynomial(lens.coefficients, x)


def _radius_limit(lens: Lens) -> float:
    """Largest radius that a polynomial of the radius is followed to: where it reaches the angle."""
    first = lens.coefficients[1]
    return reach(_law(lens), 4 * WIDEST_RAD / abs(first) if first else 1e5)


def _angle_limit(lens: Lens) -> float:
    """Largest angle from the axis that a lens shows."""
    if lens.model == "ftheta-of-radius":
        farthest = torch.tensor(_radius_limit(lens), dtype=torch.float64)
        return min(WIDEST_RAD, float(_law(lens)(farthest)))
    return reach(_law(lens), WIDEST_RAD)


def _radius(lens: Lens, angle: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Distance from the axis at which an angle is shown, before the focal length."""
    if lens.model == "ftheta-of-radius":
        return inverse(_law(lens), angle, _radius_limit(lens))
    return _law(lens)(angle)


def _angle(lens: Lens, radius: Float[Tensor, "*b"], limit: float) -> Float[Tensor, "*b"]:
    """Angle from the axis that is shown at a distance from it."""
    if lens.model == "ftheta-of-radius":
        return _law(lens)(radius)
    return inverse(_law(lens), radius, limit)
