"""Masked ConvNeXt (first version): `convnext_*` of timm, arXiv 2201.03545.

Images `m 3 h w` (RGB in [0, 1]) and a mask `m hp wp` enter; a feature map per chosen stage leaves,
hidden cells exactly zero. Its norms act on each position by itself, so no statistics are shared.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import timm
import torch
from jaxtyping import Bool, Float
from timm.models.convnext import checkpoint_filter_fn
from torch import Tensor, nn

from mim4d.models.encoder.convnext_block import add_block, add_block_on_rows, has_usual_layers
from mim4d.models.encoder.hide import hide
from mim4d.models.encoder.masked_encoder import (
    EncoderOptions,
    MaskedEncoder,
    check_name,
    create_timm_model,
)
from mim4d.models.encoder.visible_rows import visible_rows


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
        self,
        index: int,
        x: Float[Tensor, "m c1 h1 w1"],
        visible: Bool[Tensor, "m hp wp"] | None,
        max_cells: int | None,
    ) -> Float[Tensor, "m c2 h2 w2"]:
        """Downsample, then add the blocks' residuals; hidden cells enter and leave as zeros."""
        stage: Any = self.stages[index]
        x = hide(stage.downsample(x), visible)
        if not all(map(has_usual_layers, stage.blocks)) or torch.compiler.is_compiling():
            return self._run_blocks(index, add_block, stage.blocks, x, visible)
        rows = None if visible is None else visible_rows(visible, x.shape[-2], max_cells)
        if visible is not None and rows is None:
            return self._run_blocks(index, add_block, stage.blocks, x, visible)
        for block in stage.blocks:
            x = add_block_on_rows(block, x, rows, keep=not self._computes_again(index))
        return x
