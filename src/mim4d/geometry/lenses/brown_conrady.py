"""Brown and Conrady's lens: a point of the plane z = 1 is moved radially and tangentially.

    x' = x c + 2 p1 x y + p2 (r² + 2 x²)        c = (1 + k1 r² + k2 r⁴ + k3 r⁶)
    y' = y c + p1 (r² + 2 y²) + 2 p2 x y            / (1 + k4 r² + k5 r⁴ + k6 r⁶)

with the coefficients in OpenCV's order: k1 k2 p1 p2 [k3 [k4 k5 k6]]. Source: D. C. Brown,
"Decentering distortion of lenses", 1966, and OpenCV's page on calibration.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.lenses.radial import inverse, polynomial, reach

Coefficients = tuple[float, ...]
COUNTS = (0, 4, 5, 8)
"""Numbers of coefficients that have a meaning."""
FARTHEST = math.tan(math.radians(85.0))
"""Nothing farther from the axis is looked up on the plane z = 1."""
_NEWTON_STEPS = 20


def distort(points: Float[Tensor, "*b 2"], coefficients: Coefficients) -> Float[Tensor, "*b 2"]:
    """Where the lens shows points of the plane z = 1, on that plane."""
    k1, k2, p1, p2, k3, k4, k5, k6 = _eight(coefficients)
    x, y = points.unbind(-1)
    r2 = x * x + y * y
    c = polynomial((1.0, k1, k2, k3), r2) / polynomial((1.0, k4, k5, k6), r2)
    return torch.stack(
        [
            x * c + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * c + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        dim=-1,
    )


def undistort(points: Float[Tensor, "*b 2"], coefficients: Coefficients) -> Float[Tensor, "*b 2"]:
    """Which points of the plane z = 1 the lens shows there; NaN where it shows none.

    The radial law is turned round first, then Newton's steps correct for the tangential part.
    """
    if not any(coefficients):
        return points
    limit = radial_reach(coefficients)
    radius = points.norm(dim=-1)
    straight = inverse(lambda r: _radial(r, coefficients), radius, limit)
    found = points * (straight / radius.clamp(min=1e-300)).unsqueeze(-1)
    for _ in range(_NEWTON_STEPS):
        missed = distort(found, coefficients) - points
        found = found - torch.linalg.solve(_jacobian(found, coefficients), missed)
    missed = (distort(found, coefficients) - points).norm(dim=-1)
    good = (missed < 1e-9) & (found.norm(dim=-1) <= limit)
    return torch.where(good.unsqueeze(-1), found, torch.nan)


def radial_reach(coefficients: Coefficients) -> float:
    """Largest distance from the axis, on the plane z = 1, up to which images do not fold back."""
    return reach(lambda r: _radial(r, coefficients), FARTHEST)


def _radial(r: Float[Tensor, "*b"], coefficients: Coefficients) -> Float[Tensor, "*b"]:
    k1, k2, _, _, k3, k4, k5, k6 = _eight(coefficients)
    r2 = r * r
    return r * polynomial((1.0, k1, k2, k3), r2) / polynomial((1.0, k4, k5, k6), r2)


def _jacobian(points: Float[Tensor, "*b 2"], coefficients: Coefficients) -> Float[Tensor, "*b 2 2"]:
    k1, k2, p1, p2, k3, k4, k5, k6 = _eight(coefficients)
    x, y = points.unbind(-1)
    r2 = x * x + y * y
    above, below = polynomial((1.0, k1, k2, k3), r2), polynomial((1.0, k4, k5, k6), r2)
    c = above / below
    slope_above, slope_below = (
        polynomial((a, 2 * b, 3 * d), r2) for a, b, d in ((k1, k2, k3), (k4, k5, k6))
    )
    slope = 2 * (slope_above - c * slope_below) / below  # of c, by x² + y², doubled
    crossed = slope * x * y + 2 * p1 * x + 2 * p2 * y
    along_x = c + slope * x * x + 2 * p1 * y + 6 * p2 * x
    along_y = c + slope * y * y + 6 * p1 * y + 2 * p2 * x
    rows = torch.stack([along_x, crossed, crossed, along_y], dim=-1)
    return rows.unflatten(-1, (2, 2))


def _eight(coefficients: Coefficients) -> Coefficients:
    return (*coefficients, *[0.0] * (8 - len(coefficients)))
