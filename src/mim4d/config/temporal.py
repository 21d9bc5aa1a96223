"""What rebuilds a dropped frame from the others."""

from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require


@dataclass(frozen=True)
class TemporalConfig:
    """The decoder that rebuilds the dropped frame."""

    decoder: Literal["attention", "copy", "mean"] = "attention"
    """`attention`: the method. `copy` (the nearest warped frame) and `mean` (of all warped frames)
    have no weights; they are there to compare with."""
    branches: Literal["both", "short", "long"] = "both"
    """`short`: the nearest past and future frame, at full width. `long`: all frames, at reduced
    width. The method has both."""
    width: int = 64
    """Channels of the short branch."""
    reduction: int = 2
    """The long branch has `width / reduction` channels."""
    layers: int = 2
    """Layers of each branch."""
    short_heads: int = 4
    """Attention heads of the short branch."""
    long_heads: int = 2
    """Attention heads of the long branch."""
    points: int = 4
    """Sampling points per head."""
    long_ffn_factor: int = 2
    """Hidden channels of the long branch's feed-forward parts, as a multiple of its width (the
    short branch's: twice its width)."""

    def __post_init__(self) -> None:
        sizes = ("width", "reduction", "layers", "short_heads", "long_heads", "points")
        for name in (*sizes, "long_ffn_factor"):
            value = getattr(self, name)
            require(value >= 1, f"temporal.{name}", value, "at least 1")
        long_width = self.width // self.reduction
        for width, heads, path in (
            (self.width, self.short_heads, "temporal.short_heads"),
            (long_width, self.long_heads, "temporal.long_heads"),
        ):
            require(
                width >= 4 and width % 4 == 0 and width % heads == 0,
                path,
                heads,
                f"a divisor of the branch's width ({width}), itself a multiple of 4",
            )
