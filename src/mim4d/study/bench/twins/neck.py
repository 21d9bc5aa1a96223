"""Twins of the feature pyramid, the simple depth head and the volume's convolution."""

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def pyramid(
    neck: Any, features: list[Float[Tensor, "m _c _hf _wf"]]
) -> list[Float[Tensor, "m c _hf _wf"]]:
    """Levels of a `FeaturePyramid`: laterals, nearest upsampling, 3×3 smoothing, extra levels."""
    merged = [_conv(conv, x) for conv, x in zip(neck.laterals, features, strict=True)]
    for fine in range(len(merged) - 2, -1, -1):
        above = F.interpolate(merged[fine + 1], size=merged[fine].shape[-2:], mode="nearest")
        merged[fine] = merged[fine] + above
    levels = [_conv(conv, x) for conv, x in zip(neck.outputs, merged, strict=False)]
    for conv in neck.extras:
        levels.append(_conv(conv, levels[-1]))
    return levels


def simple_depth(
    head: Any, levels: list[Float[Tensor, "m c _hf _wf"]], rays: object = None
) -> tuple[list[Float[Tensor, "m c _hf _wf"]], list[Float[Tensor, "m d _hf _wf"]]]:
    """Projected features and depth distributions of a `DepthHead` with one 1×1 convolution."""
    assert isinstance(head.depth_net, nn.Conv2d), "only the simple depth head has a twin"
    projected = [_conv(head.projection, level) for level in levels]
    return projected, [_conv(head.depth_net, x).softmax(dim=1) for x in projected]


def convolve_volume(
    volume_conv: Any, volume: Float[Tensor, "m c z y x"]
) -> Float[Tensor, "m c2 z y x"]:
    """3×3×3 convolution, group norm and ReLU of a `VolumeConv`."""
    conv, norm = volume_conv.conv, volume_conv.norm
    assert isinstance(norm, nn.GroupNorm), "only the group norm has a twin"
    out = F.conv3d(volume, conv.weight, conv.bias, padding=1)
    return F.relu(F.group_norm(out, norm.num_groups, norm.weight, norm.bias, norm.eps))


def _conv(conv: Any, x: Tensor) -> Tensor:
    return F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding)
