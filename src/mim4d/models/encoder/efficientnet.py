"""Masked EfficientNet and EfficientNet-Lite of timm, arXiv 1905.11946.

Images `m 3 h w` (RGB in [0, 1]) and a mask `m hp wp` enter; a feature map per chosen stage leaves,
hidden cells exactly zero. Batch norms see visible positions only (`masked_batch_norm`), and
squeeze-and-excitation averages over them.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import timm
import torch
from jaxtyping import Bool, Float
from timm.models._efficientnet_blocks import InvertedResidual, SqueezeExcite
from torch import Tensor, nn

from mim4d.models.encoder.batch_statistics import Statistics
from mim4d.models.encoder.hide import visible_positions
from mim4d.models.encoder.masked_batch_norm import masked_batch_norm
from mim4d.models.encoder.masked_encoder import (
    EncoderOptions,
    MaskedEncoder,
    check_name,
    create_timm_model,
)


def efficientnet_names() -> list[str]:
    """The supported names: B and Lite sizes; `tf_` pads as TensorFlow does.

    Other blocks and norms (`efficientnet_es`, `efficientnetv2_s`, `efficientnet_b0_gn`, ...) are
    not among them.
    """
    plain = re.compile(r"(tf_)?efficientnet_(b\d|l2|lite\d)")
    return [name for name in timm.list_models("*efficientnet_*") if plain.fullmatch(name)]


class MaskedEfficientNet(MaskedEncoder):
    """EfficientNet with masked, explicit stages and a norm per emitted stage.

    timm's seven groups of blocks make four stages: the groups up to the last one of stride 4, 8, 16
    and 32.

    Args:
        name: An EfficientNet of timm, e.g. `efficientnet_b0` or `tf_efficientnet_lite0`.
        options: What all families share.

    Raises:
        ValueError: If the name is not supported, a stage does not exist, or the weights do not fit.
    """

    def __init__(
        self, name: str = "tf_efficientnet_lite0", options: EncoderOptions | None = None
    ) -> None:
        options = EncoderOptions() if options is None else options
        check_name(name, efficientnet_names())
        super().__init__(options)
        model = create_timm_model(name, options, parts=("conv_stem.", "bn1.", "blocks."))
        self._ends = [int(info["stage"]) for info in model.feature_info if info["reduction"] >= 4]
        self.conv_stem: nn.Conv2d = model.conv_stem
        self.bn1: nn.BatchNorm2d = model.bn1
        self.blocks: nn.Sequential = model.blocks[: self._ends[options.out_stages[-1]]]
        self._finish(model, options)

    def _parts(self) -> Sequence[Iterable[nn.Module]]:
        return [(self.conv_stem, self.bn1), *map(self._groups, range(self.out_stages[-1] + 1))]

    def _groups(self, index: int) -> list[nn.Module]:
        """The groups of blocks of one stage."""
        start, end = (0, *self._ends)[index : index + 2]
        return list(self.blocks)[start:end]

    def _run_stem(
        self, x: Float[Tensor, "m 3 h w"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Tensor:
        return masked_batch_norm(self.bn1, self.conv_stem(x), visible, self.statistics)

    def _run_stage(
        self,
        index: int,
        x: Float[Tensor, "m c1 h1 w1"],
        visible: Bool[Tensor, "m hp wp"] | None,
        max_cells: int | None,
    ) -> Float[Tensor, "m c2 h2 w2"]:
        blocks = [block for group in self._groups(index) for block in group.children()]
        return self._run_blocks(index, _run_block, blocks, x, visible)


def _run_block(
    block: Any,
    x: Float[Tensor, "m c1 h1 w1"],
    visible: Bool[Tensor, "m hp wp"] | None,
    statistics: Statistics,
) -> Float[Tensor, "m c2 h2 w2"]:
    """An inverted residual, or a depthwise separable block; hidden cells enter and leave as zeros.

    timm's norms include the activation. They leave hidden cells as zeros, so each convolution finds
    them empty.
    """
    norm = partial(masked_batch_norm, visible=visible, statistics=statistics)
    if isinstance(block, InvertedResidual):  # expand, depthwise, project
        y = norm(block.bn1, block.conv_pw(x))
        y = norm(block.bn2, block.conv_dw(y))
        y = norm(block.bn3, block.conv_pwl(_excite(block.se, y, visible)))
    else:  # depthwise, project
        y = norm(block.bn1, block.conv_dw(x))
        y = norm(block.bn2, block.conv_pw(_excite(block.se, y, visible)))
    return x + block.drop_path(y) if block.has_skip else y


def _excite(
    excite: nn.Module, x: Float[Tensor, "m c hf wf"], visible: Bool[Tensor, "m hp wp"] | None
) -> Float[Tensor, "m c hf wf"]:
    """Squeeze-and-excitation (arXiv 1709.01507) by the mean over visible positions.

    An image without any has a mean of zero, and stays zero.
    """
    if not isinstance(excite, SqueezeExcite):
        return x
    if visible is None:
        count = torch.full((1, 1, 1, 1), x.shape[-2] * x.shape[-1], device=x.device)
    else:
        count = visible_positions(visible, x).sum((2, 3), keepdim=True).clamp(min=1)
    squeezed = (x.sum((2, 3), keepdim=True) / count).to(x.dtype)
    squeezed = excite.conv_expand(excite.act1(excite.conv_reduce(squeezed)))
    return x * excite.gate(squeezed)
