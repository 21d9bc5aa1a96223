"""Masked ResNet: plain, wide and grouped ResNets of timm, arXiv 1512.03385, 1605.07146, 1611.05431.

Images `m 3 h w` (RGB in [0, 1]) and a mask `m hp wp` enter; a feature map per chosen stage leaves,
hidden cells exactly zero. Batch norms see visible positions only (`masked_batch_norm`).
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import timm
from jaxtyping import Bool, Float
from timm.models.resnet import Bottleneck
from torch import Tensor, nn

from mim4d.models.encoder.batch_statistics import Statistics
from mim4d.models.encoder.hide import hide
from mim4d.models.encoder.masked_batch_norm import masked_batch_norm
from mim4d.models.encoder.masked_encoder import (
    EncoderOptions,
    MaskedEncoder,
    check_name,
    create_timm_model,
)


def resnet_names() -> list[str]:
    """The supported names: 7×7 stem, max pooling, basic or bottleneck blocks.

    Deep stems, average-pool shortcuts, blur pooling, attention and other norms (`resnet50d`,
    `resnet50_gn`, `seresnet50`, ...) are not among them.
    """
    plain = re.compile(r"resnet\d+|wide_resnet\d+_\d+|resnext\d+_\d+x\d+d")
    return [name for name in timm.list_models("*resne*") if plain.fullmatch(name)]


class MaskedResNet(MaskedEncoder):
    """ResNet with masked, explicit stages and a norm per emitted stage.

    Args:
        name: A plain ResNet of timm, e.g. `resnet18` or `resnet50`.
        options: What all families share. Layers and weights have timm's (and torchvision's) names.
        depths: Blocks per stage, if not timm's.
        widths: Channels of each stage's 3×3 convolutions, if not timm's; bottleneck blocks put out
            four times as many.

    Raises:
        ValueError: If the name is not supported, a stage does not exist, or the weights do not fit.
    """

    def __init__(
        self,
        name: str = "resnet18",
        options: EncoderOptions | None = None,
        depths: tuple[int, int, int, int] | None = None,
        widths: tuple[int, int, int, int] | None = None,
    ) -> None:
        options = EncoderOptions() if options is None else options
        check_name(name, resnet_names())
        super().__init__(options)
        model = create_timm_model(
            name,
            options,
            parts=("conv1.", "bn1.", "layer"),
            layers=depths,
            channels=widths,
            zero_init_last=options.init == "timm",
        )
        self.conv1: nn.Conv2d = model.conv1
        self.bn1: nn.BatchNorm2d = model.bn1
        self.act1: nn.Module = model.act1
        self.maxpool: nn.MaxPool2d = model.maxpool
        for index in range(options.out_stages[-1] + 1):
            self.add_module(f"layer{index + 1}", model.get_submodule(f"layer{index + 1}"))
        self._finish(model, options)

    def _parts(self) -> Sequence[Iterable[nn.Module]]:
        stages = range(self.out_stages[-1] + 1)
        return [(self.conv1, self.bn1), *((self._stage(index),) for index in stages)]

    def _stage(self, index: int) -> Any:
        return self.get_submodule(f"layer{index + 1}")

    def _run_stem(
        self, x: Float[Tensor, "m 3 h w"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Tensor:
        """7×7 convolution, norm, ReLU, 3×3 max pooling.

        After ReLU nothing is below zero, so a hidden zero never wins against what is visible in
        the window of a visible position: pooling hidden cells as zero or as −∞ is the same.
        """
        x = self.act1(masked_batch_norm(self.bn1, self.conv1(x), visible, self.statistics))
        return hide(self.maxpool(x), visible)

    def _run_stage(
        self,
        index: int,
        x: Float[Tensor, "m c1 h1 w1"],
        visible: Bool[Tensor, "m hp wp"] | None,
        max_cells: int | None,
    ) -> Float[Tensor, "m c2 h2 w2"]:
        return self._run_blocks(index, _run_block, self._stage(index), x, visible)


def _run_block(
    block: Any,
    x: Float[Tensor, "m c1 h1 w1"],
    visible: Bool[Tensor, "m hp wp"] | None,
    statistics: Statistics,
) -> Float[Tensor, "m c2 h2 w2"]:
    """A basic or bottleneck block of timm; hidden cells enter and leave as zeros.

    Every convolution is followed by a norm that leaves hidden cells as zeros, which ReLU keeps; so
    each convolution finds them empty.
    """
    norm = partial(masked_batch_norm, visible=visible, statistics=statistics)
    y = block.act1(norm(block.bn1, block.conv1(x)))
    y = norm(block.bn2, block.conv2(y))
    has_bottleneck = isinstance(block, Bottleneck)
    if has_bottleneck:
        y = norm(block.bn3, block.conv3(block.act2(y)))
    if block.drop_path is not None:
        y = block.drop_path(y)
    if block.downsample is not None:
        x = norm(block.downsample[1], block.downsample[0](x))
    joined: Tensor = x + y
    return block.act3(joined) if has_bottleneck else block.act2(joined)
