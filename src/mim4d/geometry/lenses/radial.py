"""Laws of one variable that lenses bend by: rising up to a reach, and turned round by bisection."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Law = Callable[[Float[Tensor, "*b"]], Float[Tensor, "*b"]]
"""A function of each number by itself."""

_SAMPLES = 20_001
_HALVINGS = 60


def polynomial(coefficients: tuple[float, ...], x: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """`c0 + c1 x + c2 x² + ...`, by Horner's rule."""
    total = torch.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def reach(law: Law, limit: float) -> float:
    """How far from 0 a law rises, at most `limit`: beyond, two places would share one image."""
    x = torch.linspace(0.0, limit, _SAMPLES, dtype=torch.float64)
    falls = torch.nonzero(law(x).diff() <= 0)
    return float(x[int(falls[0])]) if len(falls) else limit


def inverse(law: Law, values: Float[Tensor, "*b"], limit: float) -> Float[Tensor, "*b"]:
    """Where in [0, limit] a rising law takes these values; the nearer end where it takes none."""
    low = torch.zeros_like(values)
    high = torch.full_like(values, limit)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = law(middle) < values
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2
