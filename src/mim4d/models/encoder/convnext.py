"""Masked ConvNeXt (first version): `convnext_*` of timm, arXiv 2201.03545.

Images `m 3 h w` (RGB in [0, 1]) and a mask `m hp wp` enter; a feature map per chosen stage leaves,
hidden cells exactly zero. Its norms act on each position by itself, so no statistics are shared.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import timm
from jaxtyping import Bool, Float
from timm.models.convnext import checkpoint_filter_fn
from torch import Tensor, nn

from mim4d.models.encoder.hide import hide
from mim4d.models.encoder.masked_encoder import (
    EncoderOptions,
    MaskedEncoder,
    check_name,
    create_timm_model,
)


def convnext_names() -> list[str]:
    """The supported names.

    ConvNeXt-V2 is not among them: its response norm averages over hidden and visible cells alike.
    """
    return [name for name in timm.list_models("convnext_*") if not name.startswith("convnextv2")]


class MaskedConvNeXt(MaskedEncoder):
    """ConvNeXt with masked, explicit stages and a norm per emitted stage.

    Args:
        name: A ConvNeXt of timm, e.g. `convnext_atto` or `convnext_small`.
        options: What all families share. Weights may be named as by timm or by ConvNeXt's authors.
        depths: Blocks per stage, if not timm's.
        widths: Channels per stage, if not timm's.
        layer_scale_init: Start value of the layer scales, if not timm's 1e-6.

    Raises:
        ValueError: If the name is not supported, a stage does not exist, or the weights do not fit.
    """

    def __init__(
        self,
        name: str = "convnext_atto",
        options: EncoderOptions | None = None,
        depths: tuple[int, int, int, int] | None = None,
        widths: tuple[int, int, int, int] | None = None,
        layer_scale_init: float | None = None,
    ) -> None:
        options = EncoderOptions() if options is None else options
        check_name(name, convnext_names())
        super().__init__(options)
        model = create_timm_model(
            name,
            options,
            parts=("stem.", "stages."),
            rename=checkpoint_filter_fn,
            depths=depths,
            dims=widths,
            ls_init_value=layer_scale_init,
        )
        self.stem: nn.Sequential = model.stem
        self.stages = nn.ModuleList(model.stages[: options.out_stages[-1] + 1])
        self._finish(model, options)

    def _parts(self) -> Sequence[Iterable[nn.Module]]:
        return [(self.stem,), *((stage,) for stage in self.stages)]

    def _run_stem(
        self, x: Float[Tensor, "m 3 h w"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Tensor:
        # Overlapping stems look over the edge of a cell, so each of their layers is masked.
        for layer in self.stem:
            x = hide(layer(x), visible)
        return x

    def _run_stage(
        self, index: int, x: Float[Tensor, "m c1 h1 w1"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Float[Tensor, "m c2 h2 w2"]:
        """Downsample, then add the blocks' residuals; hidden cells enter and leave as zeros."""
        stage: Any = self.stages[index]
        return self._run_blocks(
            _run_block, stage.blocks, hide(stage.downsample(x), visible), visible
        )


def _run_block(
    block: Any, x: Float[Tensor, "m c hf wf"], visible: Bool[Tensor, "m hp wp"] | None, track: bool
) -> Float[Tensor, "m c hf wf"]:
    """Add the residual of a timm ConvNeXt block: depthwise 7×7, norm, MLP, layer scale.

    Masking the residual is enough. The downsampling patches never straddle two cells, and all that
    follows a depthwise convolution acts on each position by itself: what it makes of a hidden cell
    (biases, and what the 7×7 window carried in from neighbours) reaches no other cell before the
    mask removes it. Values and gradients are those of masking after every single layer. There are
    no running statistics to `track`.
    """
    y: Tensor = block.conv_dw(x)
    if block.use_conv_mlp:  # 1×1 convolutions on channel-first maps (atto, femto, pico, nano)
        y = block.mlp(block.norm(y))
    else:  # the same formula as linear layers on channel-last maps
        y = block.mlp(block.norm(y.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    if block.gamma is not None:
        y = y * block.gamma[:, None, None]
    return x + hide(block.drop_path(y), visible)
