"""The masked image encoder: a ConvNeXt that never sees the hidden cells.

Images `m 3 h w` (RGB in [0, 1]) and a mask `m hp wp` enter; a feature map per chosen stage leaves.
timm supplies layers and weights, the forward pass is written out here and takes the mask as an
argument. Hidden cells are exactly zero at every stage, as in submanifold sparse convolution
emulated by dense operations (SparK, arXiv 2301.03580; MIM4D, arXiv 2403.08760), so that changing
hidden pixels changes no visible feature. Without a mask this is timm's dense ConvNeXt.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from jaxtyping import Bool, Float
from timm.models.convnext import checkpoint_filter_fn
from torch import Tensor, nn

from mim4d.models.channel_norm import ChannelLayerNorm
from mim4d.models.masking import enlarge_mask, patch_size_px

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class MaskedConvNeXt(nn.Module):
    """ConvNeXt (first version) with masked, explicit stages and a norm per emitted stage.

    Args:
        name: A ConvNeXt of timm, e.g. `convnext_atto` or `convnext_small`. ConvNeXt-V2 is refused:
            its response norm averages over hidden and visible cells alike.
        out_stages: Stages (0 to 3, strides 4 to 32) whose features are returned, ascending; stages
            after the last one are not built.
        drop_path_rate: Stochastic depth, rising linearly from 0 over the blocks.
        frozen_stages: 0 trains everything; k freezes the stem and the first k stages, without
            gradients and in eval mode (the released code has 1).
        mask_token: Put a learned vector per emitted stage into hidden cells instead of zero.
        mean: Mean of the RGB normalisation, for colours in [0, 1].
        std: Its standard deviation.
        weights_file: Local weights (.pth or .safetensors), named as by timm or by ConvNeXt's
            authors. Output norms are not in such files and start as the identity.
        depths: Blocks per stage, if not timm's.
        dims: Channels per stage, if not timm's.
        layer_scale_init: Start value of the layer scales.
        init: Random weights: `timm` keeps timm's (normal, std 0.02), which suits wide models and
            long runs; `fan_in` scales every layer by its number of inputs, so that the residual
            branches of narrow models count from the first step. `weights_file` overrides both.

    Raises:
        ValueError: If the name is not supported, a stage does not exist, or the weights do not fit.
        FileNotFoundError: If `weights_file` does not exist.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str = "convnext_atto",
        out_stages: tuple[int, ...] = (1, 2, 3),
        drop_path_rate: float = 0.0,
        frozen_stages: int = 0,
        mask_token: bool = False,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        weights_file: Path | None = None,
        depths: tuple[int, int, int, int] | None = None,
        dims: tuple[int, int, int, int] | None = None,
        layer_scale_init: float = 1e-6,
        init: Literal["timm", "fan_in"] = "timm",
    ) -> None:
        super().__init__()
        _check_name(name)
        _check_stages(out_stages, frozen_stages)
        options: dict[str, Any] = {"depths": depths, "dims": dims}
        model: Any = timm.create_model(
            name,
            pretrained=False,
            num_classes=0,
            drop_path_rate=drop_path_rate,
            ls_init_value=layer_scale_init,
            **{key: value for key, value in options.items() if value is not None},
        )
        if weights_file is not None:
            _load_weights(model, weights_file)
        elif init == "fan_in":
            model.apply(_init_by_fan_in)
        self.out_stages = out_stages
        self.frozen_stages = frozen_stages
        self.stem: nn.Sequential = model.stem
        self.stages = nn.ModuleList(model.stages[: out_stages[-1] + 1])
        info = model.feature_info
        self._channels = tuple(int(info[stage]["num_chs"]) for stage in out_stages)
        self._strides = tuple(int(info[stage]["reduction"]) for stage in out_stages)
        self.out_norms = nn.ModuleList(ChannelLayerNorm(channels) for channels in self.channels)
        self.mask_tokens = nn.ParameterList(
            nn.init.trunc_normal_(torch.empty(channels, 1, 1), std=0.02)
            for channels in (self.channels if mask_token else ())
        )
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1), persistent=False)
        for module in self._frozen():
            module.requires_grad_(False)
        self.train()

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each returned map."""
        return self._channels

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per cell of each returned map."""
        return self._strides

    def train(self, mode: bool = True) -> "MaskedConvNeXt":
        """Switch between training and evaluation; frozen parts stay in evaluation."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def forward(
        self,
        images: Float[Tensor, "m 3 h w"],
        visible: Bool[Tensor, "m hp wp"] | None = None,
    ) -> list[Float[Tensor, "m _c _hf _wf"]]:
        """Encode images; the finest map comes first.

        Args:
            images: RGB in [0, 1], rows and columns multiples of the coarsest stride.
            visible: True = the encoder may see the cell; None shows everything (dense).

        Returns:
            One map per stage of `out_stages`. Hidden cells are exactly zero, or the mask token.

        Raises:
            ValueError: If the image size is no multiple of the stride, or the mask does not fit.
        """
        self._check_shapes(images, visible)
        x = _hide((images - self.mean) / self.std, visible)
        # Overlapping stems look over the edge of a cell, so each of their layers is masked.
        for layer in self.stem:
            x = _hide(layer(x), visible)
        features = []
        for index, stage in enumerate(self.stages):
            x = _run_stage(stage, x, visible)
            if index in self.out_stages:
                features.append(self._emit(self.out_stages.index(index), x, visible))
        return features

    def _emit(
        self, output: int, x: Float[Tensor, "m c hf wf"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Float[Tensor, "m c hf wf"]:
        """Normalise the map of one output; hidden cells become zero or the mask token."""
        normed: Tensor = self.out_norms[output](x)
        if visible is None or not self.mask_tokens:
            return _hide(normed, visible)
        token = self.mask_tokens[output].to(normed.dtype)
        return torch.where(_cells(visible, normed), normed, token)

    def _frozen(self) -> Iterator[nn.Module]:
        if self.frozen_stages:
            yield self.stem
            yield from self.stages[: self.frozen_stages]

    def _check_shapes(self, images: Tensor, visible: Tensor | None) -> None:
        stride, (h, w) = self.strides[-1], images.shape[-2:]
        if h % stride or w % stride:
            raise ValueError(
                f"images: expected rows and columns that are multiples of the stride {stride}, got "
                f"{h} x {w} pixels; pad them at the right and the bottom"
            )
        if visible is not None:
            patch_size_px(images.shape, visible.shape, stride)


def _run_stage(
    stage: Any, x: Float[Tensor, "m c1 h1 w1"], visible: Bool[Tensor, "m hp wp"] | None
) -> Float[Tensor, "m c2 h2 w2"]:
    """Downsample, then add the blocks' residuals; hidden cells enter and leave as zeros.

    Masking the residual is enough. The downsampling patches never straddle two cells, and all that
    follows a depthwise convolution acts on each position by itself: what it makes of a hidden cell
    (biases, and what the 7×7 window carried in from neighbours) reaches no other cell before the
    mask removes it. Values and gradients are those of masking after every single layer.
    """
    x = _hide(stage.downsample(x), visible)
    for block in stage.blocks:
        x = x + _hide(_residual(block, x), visible)
    return x


def _residual(block: Any, x: Float[Tensor, "m c hf wf"]) -> Float[Tensor, "m c hf wf"]:
    """The residual branch of a timm ConvNeXt block: depthwise 7×7, norm, MLP, layer scale."""
    y: Tensor = block.conv_dw(x)
    if block.use_conv_mlp:  # 1×1 convolutions on channel-first maps (atto, femto, pico, nano)
        y = block.mlp(block.norm(y))
    else:  # the same formula as linear layers on channel-last maps
        y = block.mlp(block.norm(y.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    if block.gamma is not None:
        y = y * block.gamma[:, None, None]
    dropped: Tensor = block.drop_path(y)
    return dropped


def _cells(visible: Bool[Tensor, "m hp wp"], x: Tensor) -> Bool[Tensor, "m 1 hf wf"]:
    """The mask at the resolution of `x`."""
    return enlarge_mask(visible, x.shape[-2] // visible.shape[-2])[:, None]


def _hide(
    x: Float[Tensor, "m c hf wf"], visible: Bool[Tensor, "m hp wp"] | None
) -> Float[Tensor, "m c hf wf"]:
    """Set hidden cells to zero; dtype and memory layout stay."""
    return x if visible is None else x * _cells(visible, x)


def _check_name(name: str) -> None:
    supported = [n for n in timm.list_models("convnext_*") if not n.startswith("convnextv2")]
    if name not in supported:
        close = difflib.get_close_matches(name, supported, n=3, cutoff=0.5)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise ValueError(
            f"encoder: {name!r} is not supported{hint}; expected one of {', '.join(supported)}"
        )


def _check_stages(out_stages: Sequence[int], frozen_stages: int) -> None:
    ascending = all(a < b for a, b in pairwise(out_stages))
    if not out_stages or not ascending or out_stages[0] < 0 or out_stages[-1] > 3:
        raise ValueError(f"out_stages: expected ascending stages among 0 to 3, got {out_stages}")
    if not 0 <= frozen_stages <= out_stages[-1] + 1:
        raise ValueError(
            f"frozen_stages: expected 0 to {out_stages[-1] + 1} (the last of out_stages "
            f"{out_stages}, plus one), got {frozen_stages}"
        )


def _init_by_fan_in(module: nn.Module) -> None:
    """Weights of variance 1 / inputs, biases of zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _load_weights(model: nn.Module, file: Path) -> None:
    """Load stem and stages from a local file; a classifier head or its absence is ignored."""
    if not file.is_file():
        raise FileNotFoundError(f"encoder weights: file {file} not found")
    to_timm_names: Callable[..., dict[str, Tensor]] = checkpoint_filter_fn
    try:
        state = timm.models.load_state_dict(str(file), weights_only=True)
    except Exception as error:
        raise ValueError(
            f"encoder weights: {file} cannot be read ({type(error).__name__}); it is damaged or "
            "holds more than tensors"
        ) from error
    try:
        state = to_timm_names(state, model)
        missing = model.load_state_dict(state, strict=False).missing_keys
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"encoder weights: {file} does not fit the model: {error}") from error
    missing = [key for key in missing if key.startswith(("stem.", "stages."))]
    if missing:
        raise ValueError(
            f"encoder weights: {file} lacks {len(missing)} weights of the model, the first being "
            f"{missing[0]}; was it made for another model?"
        )
