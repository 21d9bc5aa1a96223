"""The depth head: image features become projected features and a distribution over depth.

Maps `m c hf wf` of any number of levels enter; for each level the projected map and `depth_probs`
`m d hf wf` (sums to 1 over d) leave. Depth is z in the camera, metres. The distribution has no loss
of its own in the paper's pre-training: it learns through rendering alone (MIM4D, arXiv 2403.08760).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.models.camera_rays import CellRays
from mim4d.models.channel_norm import ChannelLayerNorm

Norm = Callable[[int], nn.Module]
"""Makes the norm of maps of so many channels."""


@dataclass(frozen=True)
class DepthBins:
    """Depth bins with evenly spaced centres.

    Attributes:
        num: Number of bins.
        first_m: Depth of the first bin's centre, metres.
        last_m: Depth of the last bin's centre, metres.

    Raises:
        ValueError: If there are fewer than two bins or they do not ascend from 0 m or more.
    """

    num: int
    first_m: float
    last_m: float

    def __post_init__(self) -> None:
        if self.num < 2 or not 0 <= self.first_m < self.last_m:
            raise ValueError(
                "depth bins: expected at least two bins and 0 <= first < last, got "
                f"{self.num} bins from {self.first_m} m to {self.last_m} m"
            )

    @property
    def step_m(self) -> float:
        """Distance between neighbouring centres, metres."""
        return (self.last_m - self.first_m) / (self.num - 1)

    @property
    def centres_m(self) -> Float[Tensor, " d"]:
        """Depths of the centres, metres (float32)."""
        return torch.linspace(self.first_m, self.last_m, self.num, dtype=torch.float64).float()


class DepthHead(nn.Module):
    """A 1×1 projection and a depth network, both shared by all levels.

    Args:
        in_channels: Channels of every level, before and after the projection.
        bins: The depth bins.
        depth_net: Projected features `m c hf wf` to logits `m d hf wf`; by default one 1×1
            convolution.
    """

    def __init__(
        self, in_channels: int, bins: DepthBins, depth_net: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.bins = bins
        self.projection = nn.Conv2d(in_channels, in_channels, 1)
        self.depth_net = nn.Conv2d(in_channels, bins.num, 1) if depth_net is None else depth_net

    def forward(
        self,
        features: list[Float[Tensor, "m c _hf _wf"]],
        rays: list[CellRays] | None = None,
    ) -> tuple[list[Float[Tensor, "m c _hf _wf"]], list[Float[Tensor, "m d _hf _wf"]]]:
        """Project each level and predict its depth.

        Args:
            features: The neck's levels.
            rays: Geometry of each level's cells; the published heads do not look at it.

        Returns:
            The projected features and `depth_probs`, level by level. The softmax is computed in
            float32 under any precision, since half precision loses the tails of many bins.
        """
        projected = [self.projection(x) for x in features]
        depth_probs = [self.depth_net(x).float().softmax(dim=1) for x in projected]
        return projected, depth_probs


class AsppDepthHead(DepthHead):
    """A `DepthHead` with the deeper `AsppDepthNet`, for a single coarse level.

    Args:
        in_channels: Channels of the level.
        bins: The depth bins.
        aspp_channels: Channels of each branch of the pyramid (the released code has 96).
        norm: See `AsppDepthNet`.
        dropout: Dropout before the logits.
    """

    def __init__(
        self,
        in_channels: int,
        bins: DepthBins,
        aspp_channels: int = 96,
        norm: Norm = ChannelLayerNorm,
        dropout: float = 0.5,
    ) -> None:
        net = AsppDepthNet(in_channels, bins.num, in_channels, aspp_channels, norm, dropout)
        super().__init__(in_channels, bins, net)


class AsppDepthNet(nn.Module):
    """3×3 convolution, three residual blocks, a dilated pyramid (ASPP) and 1×1 logits.

    Args:
        in_channels: Channels of the input.
        num_bins: Number of logits.
        mid_channels: Width of the residual blocks.
        aspp_channels: Width of each branch of the pyramid.
        norm: By default of every position over its channels, so that images do not influence each
            other.
        dropout: Dropout before the logits.
    """

    def __init__(
        self,
        in_channels: int,
        num_bins: int,
        mid_channels: int,
        aspp_channels: int,
        norm: Norm = ChannelLayerNorm,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1), norm(mid_channels), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(_ResidualBlock(mid_channels, norm) for _ in range(3)))
        self.aspp = _Aspp(mid_channels, aspp_channels, norm)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Conv2d(mid_channels, num_bins, 1)

    def forward(self, x: Float[Tensor, "m c hf wf"]) -> Float[Tensor, "m d hf wf"]:
        """Features to depth logits."""
        x = self.aspp(self.blocks(self.reduce(x)))
        logits: Tensor = self.logits(self.dropout(x))
        return logits


class _ResidualBlock(nn.Module):
    """Two 3×3 convolutions and an identity (the basic block of ResNet)."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels, 3)
        self.norm1 = norm(channels)
        self.conv2 = _conv(channels, channels, 3)
        self.norm2 = norm(channels)

    def forward(self, x: Float[Tensor, "m c hf wf"]) -> Float[Tensor, "m c hf wf"]:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class _Aspp(nn.Module):
    """Branches of growing dilation and the image's mean, joined by a 1×1 convolution."""

    def __init__(self, channels: int, branch_channels: int, norm: Norm) -> None:
        super().__init__()
        kernels_dilations = ((1, 1), (3, 6), (3, 12), (3, 18))
        self.branches = nn.ModuleList(
            _conv_norm_relu(channels, branch_channels, kernel, norm, dilation)
            for kernel, dilation in kernels_dilations
        )
        self.pooled = _conv_norm_relu(channels, branch_channels, 1, norm)
        num_branches = len(kernels_dilations) + 1
        self.join = _conv_norm_relu(num_branches * branch_channels, channels, 1, norm)

    def forward(self, x: Float[Tensor, "m c hf wf"]) -> Float[Tensor, "m c hf wf"]:
        pooled = self.pooled(x.mean(dim=(-2, -1), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        joined: Tensor = self.join(torch.cat([*(b(x) for b in self.branches), pooled], dim=1))
        return joined


def _conv(in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size, Kaiming-normal as in the released code."""
    padding = kernel // 2 * dilation
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False
    )
    nn.init.kaiming_normal_(conv.weight)
    return conv


def _conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int, norm: Norm, dilation: int = 1
) -> nn.Sequential:
    conv = _conv(in_channels, out_channels, kernel, dilation)
    return nn.Sequential(conv, norm(out_channels), nn.ReLU())
