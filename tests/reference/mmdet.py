"""Twins of mmpretrain's ConvNeXt and mmdet's FPN in plain torch, under their parameter names.

Written from the papers (arXiv 2201.03545, 1612.03144) and the names of published checkpoints; their
constructors take the arguments of a configuration.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over channels, ε 1e-6."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Block(nn.Module):
    """x + γ · W₂ GELU(W₁ LN(DW₇ₓ₇ x)); names of the three layers are the release's."""

    def __init__(self, channels: int, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names
        depthwise, first, second = names
        self.add_module(depthwise, nn.Conv2d(channels, channels, 7, padding=3, groups=channels))
        self.norm = LayerNorm2d(channels)
        self.add_module(first, nn.Linear(channels, 4 * channels))
        self.add_module(second, nn.Linear(4 * channels, channels))
        self.gamma = nn.Parameter(nn.init.ones_(self.norm.weight.detach().clone()))

    def forward(self, x: Tensor) -> Tensor:
        depthwise, first, second = (self.get_submodule(name) for name in self.names)
        y = self.norm(depthwise(x)).movedim(1, -1)
        return x + (self.gamma * second(F.gelu(first(y)))).movedim(-1, 1)


class ConvNeXt(nn.Module):
    """`mmpretrain.ConvNeXt`, and with other layer names the one of UVTR (`MaskConvNeXt`)."""

    def __init__(
        self,
        type: str,
        arch: dict[str, list[int]],
        out_indices: list[int],
        init_cfg: dict[str, str] | None = None,
        gap_before_final_norm: bool | None = None,
        norm_out: bool | None = None,
    ) -> None:
        super().__init__()
        is_mmpretrain = type == "mmpretrain.ConvNeXt"
        # By default mmpretrain's pools the maps away; UVTR's has another argument.
        assert gap_before_final_norm is (False if is_mmpretrain else None)
        assert norm_out is (None if is_mmpretrain else True)
        pretrained = ("depthwise_conv", "pointwise_conv1", "pointwise_conv2")
        names = pretrained if is_mmpretrain else ("dwconv", "pwconv1", "pwconv2")
        depths, channels = arch["depths"], arch["channels"]
        stem = nn.Sequential(nn.Conv2d(3, channels[0], 4, stride=4), LayerNorm2d(channels[0]))
        self.downsample_layers = nn.ModuleList([stem])
        for a, b in pairwise(channels):
            self.downsample_layers.append(nn.Sequential(LayerNorm2d(a), nn.Conv2d(a, b, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(c, names) for _ in range(depth)))
            for depth, c in zip(depths, channels, strict=True)
        )
        self.out_indices = out_indices
        for index in out_indices:
            self.add_module(f"norm{index}", LayerNorm2d(channels[index]))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, (down, stage) in enumerate(
            zip(self.downsample_layers, self.stages, strict=True)
        ):
            x = stage(down(x))
            if index in self.out_indices:
                maps.append(self.get_submodule(f"norm{index}")(x))
        return maps


class Fpn(nn.Module):
    """`FPN` of mmdet, without norms and activations."""

    def __init__(
        self,
        type: str,
        in_channels: list[int],
        out_channels: int,
        num_outs: int,
        init_cfg: dict[str, str] | None = None,
        add_extra_convs: str | bool = False,
        relu_before_extra_convs: bool = False,
    ) -> None:
        super().__init__()
        assert type == "FPN"
        assert num_outs >= len(in_channels), "mmdet asserts this"
        extras = num_outs - len(in_channels)
        assert not extras or (add_extra_convs == "on_output" and not relu_before_extra_convs)
        self.lateral_convs = nn.ModuleList(_conv(c, out_channels, 1) for c in in_channels)
        self.fpn_convs = nn.ModuleList(_conv(out_channels, out_channels, 3) for _ in in_channels)
        for _ in range(extras):
            self.fpn_convs.append(_conv(out_channels, out_channels, 3, stride=2))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        merged = [conv(x) for conv, x in zip(self.lateral_convs, maps, strict=True)]
        for level in reversed(range(len(merged) - 1)):
            coarse = F.interpolate(merged[level + 1], size=merged[level].shape[2:])
            merged[level] = merged[level] + coarse
        levels = [conv(x) for conv, x in zip(self.fpn_convs, merged, strict=False)]
        for conv in list(self.fpn_convs)[len(merged) :]:
            levels.append(conv(levels[-1]))
        return levels


def _conv(a: int, b: int, kernel: int, **options: Any) -> nn.Sequential:
    """mmcv's ConvModule, whose convolution is called `conv`."""
    module = nn.Sequential()
    module.add_module("conv", nn.Conv2d(a, b, kernel, padding=kernel // 2, **options))
    return module


def pretrained_part(file: dict[str, Any], init_cfg: dict[str, str]) -> dict[str, Tensor]:
    """What mmcv's `Pretrained` initialiser takes from a loaded file: one prefix, cut off."""
    assert init_cfg["type"] == "Pretrained"
    prefix = init_cfg["prefix"]
    state: dict[str, Tensor] = file["state_dict"]
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
