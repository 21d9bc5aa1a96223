"""Small conditioned MLPs that turn a point and its features into a signed distance and a colour.

Both have the layout of the released code (MIM4D, arXiv 2403.08760; after convolutional occupancy
networks): the point enters first, the features are added before every layer. Points are in the
decoder's own unit of length (see `SdfField`). These are the definitions; what renders runs the same
layers folded and block by block (`folded_field`, `field_blocks`).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

SOFTPLUS_BETA = 100.0


class ConditionedMlp(nn.Module):
    """Layers x ← activation(W_l (x + C_l f) + b_l), starting from x = P p.

    Args:
        features: Channels of the conditioning vector f.
        hidden: Width of the layers.
        outputs: Width of the last layer.
        num_layers: Number of layers W_l, the last included.
    """

    def __init__(self, features: int, hidden: int, outputs: int, num_layers: int) -> None:
        super().__init__()
        self.from_points = nn.Linear(3, hidden)
        # All C_l in one product; the default initialisation depends on the input width only.
        self.from_features = nn.Linear(features, hidden * num_layers)
        widths = [hidden] * (num_layers - 1) + [outputs]
        self.layers = nn.ModuleList(nn.Linear(hidden, width) for width in widths)

    def linear_layers(self) -> list[nn.Linear]:
        """The layers W_l, typed."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def conditions(self, features: Float[Tensor, "q c"]) -> list[Float[Tensor, "q hidden"]]:
        """C_l f of every layer."""
        return list(self.from_features(features).chunk(len(self.layers), dim=-1))


class ColourDecoder(ConditionedMlp):
    """ReLU layers and a sigmoid: RGB in [0, 1]. It runs folded only."""


class SdfDecoder(ConditionedMlp):
    """Softplus layers: output 0 is the signed distance, the others describe the geometry."""

    def forward(
        self, points: Float[Tensor, "q 3"], features: Float[Tensor, "q c"]
    ) -> Float[Tensor, "q outputs"]:
        """Signed distance and geometry features, without derivatives."""
        x = self.from_points(points)
        for i, (layer, condition) in enumerate(
            zip(self.linear_layers(), self.conditions(features), strict=True)
        ):
            x = layer(x + condition if i == 0 else _softplus(x)[0] + condition)
        return x


def _softplus(z: Tensor) -> tuple[Tensor, Tensor]:
    """Softplus with β = 100 and its derivative, σ(βz)."""
    value, slope = _SoftplusWithSlope.apply(z)
    return value, slope


class _SoftplusWithSlope(torch.autograd.Function):
    """log(1 + exp(βz)) / β and σ(βz), each computed once and free of denormal numbers.

    With s = σ(βz): log(1 + exp(βz)) = max(βz, 0) − log(max(s, 1 − s)). Torch's own softplus takes
    up to thirty times longer on a CPU where βz is far below zero.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return softplus and slope."""
        scaled = (z * SOFTPLUS_BETA).clamp_(min=-30.0)
        slope = torch.sigmoid(scaled)
        value = scaled.relu_().sub_(torch.maximum(slope, 1 - slope).log_()).div_(SOFTPLUS_BETA)
        ctx.save_for_backward(slope)
        return value, slope

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_value: Tensor, grad_slope: Tensor) -> Tensor:
        """D value/dz = s and d slope/dz = β s (1 − s)."""
        (slope,) = ctx.saved_tensors
        curvature = (1 - slope).mul_(slope).mul_(SOFTPLUS_BETA)
        return (grad_value * slope).addcmul_(grad_slope, curvature)
