"""What all masked image encoders share: options, normalisation, outputs, freezing, checkpointing.

Images `m 3 h w` (RGB in [0, 1]) and a mask `m hp wp` enter; a feature map per chosen stage leaves.
timm supplies layers and weights; each family writes its forward pass out and takes the mask as an
argument. Hidden cells are exactly zero at every stage, as in submanifold sparse convolution
emulated by dense operations (SparK, arXiv 2301.03580; MIM4D, arXiv 2403.08760), so that changing
hidden pixels changes no visible feature. Without a mask an encoder is timm's dense model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import timm
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mim4d.errors import did_you_mean
from mim4d.models.channel_norm import ChannelLayerNorm
from mim4d.models.encoder.batch_statistics import Statistics
from mim4d.models.encoder.hide import hide, visible_positions
from mim4d.models.encoder.masking import patch_size_px
from mim4d.models.encoder.weights import PretrainedWeights, Renaming, load_weights

Rgb = tuple[float, float, float]
# How a family runs a block: block, input, mask, and what statistics do in `masked_batch_norm`.
RunBlock = Callable[[Any, Tensor, Tensor | None, Statistics], Tensor]


@dataclass(frozen=True)
class EncoderOptions:
    """What every family can be told.

    Attributes:
        out_stages: Stages (0 to 3, strides 4, 8, 16, 32) whose features are returned, ascending;
            stages after the last one are not built.
        drop_path_rate: Stochastic depth, rising linearly from 0 over the blocks.
        frozen_stages: 0 trains everything; k freezes the stem and the first k stages, without
            gradients and in eval mode (the released code has 1).
        norm_eval: Batch norms stay in eval mode, as detectors have it: pre-trained running
            statistics are used and kept, and a batch of two is two batches of one.
        renormalise_after: Steps after which batch norms in training normalise as they will after
            it, by running statistics (see `batch_statistics`); None never.
        mask_token: Put a learned vector per emitted stage into hidden cells instead of zero.
        checkpoint_stages: 0 keeps what every block computes for the backward pass; k keeps only the
            input of each block of the first k stages and computes the rest again: the same numbers
            for less memory and, with all stages, about a third more time.
        mean: Mean of the RGB normalisation for colours in [0, 1]; None takes the named model's.
        std: Its standard deviation.
        weights: What to start from; None means random weights. Output norms and mask tokens are in
            no such weights and start afresh.
        init: Random weights: `timm` keeps timm's, which suit wide models and long runs; `fan_in`
            scales every layer by its number of inputs and starts no residual branch at zero, so
            that the branches of narrow models count from the first step.
    """

    out_stages: tuple[int, ...] = (1, 2, 3)
    drop_path_rate: float = 0.0
    frozen_stages: int = 0
    norm_eval: bool = False
    renormalise_after: int | None = None
    mask_token: bool = False
    checkpoint_stages: int = 0
    mean: Rgb | None = None
    std: Rgb | None = None
    weights: PretrainedWeights | None = None
    init: Literal["timm", "fan_in"] = "timm"


class MaskedEncoder(nn.Module, ABC):
    """Common part of the families; see `EncoderOptions` for what they share.

    A family builds a timm model, keeps its layers under timm's own names, calls `_finish` and
    writes out `_run_stem`, `_run_stage` and `_parts`.

    Raises:
        ValueError: If a stage does not exist.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, options: EncoderOptions) -> None:
        super().__init__()
        _check_stages(options.out_stages, options.frozen_stages)
        self.out_stages = options.out_stages
        self.frozen_stages = options.frozen_stages
        self.norm_eval = options.norm_eval
        self.statistics = Statistics(renormalise_after=options.renormalise_after)
        self.checkpoint_stages = options.checkpoint_stages

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each returned map."""
        return self._channels

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per cell of each returned map."""
        return self._strides

    def train(self, mode: bool = True) -> "MaskedEncoder":
        """Switch between training and evaluation; frozen parts stay in evaluation."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(
        self,
        images: Float[Tensor, "m 3 h w"],
        visible: Bool[Tensor, "m hp wp"] | None = None,
        max_cells: int | None = None,
    ) -> list[Float[Tensor, "m _c _hf _wf"]]:
        """Encode images; the finest map comes first.

        Args:
            images: RGB in [0, 1], rows and columns multiples of the coarsest stride.
            visible: True = the encoder may see the cell; None shows everything (dense).
            max_cells: What no image's visible cells exceed, if that is known where the mask was
                drawn. It changes no value: a GPU then leaves hidden cells out without asking how
                many there are. On a CPU they are counted.

        Returns:
            One map per stage of `out_stages`. Hidden cells are exactly zero, or the mask token.

        Raises:
            ValueError: If the image size is no multiple of the stride, or the mask does not fit.
        """
        self._check_shapes(images, visible)
        x = hide((images - self.mean) / self.std, visible)
        # Channels innermost: what convolutions, pooling and norms read without reordering.
        x = self._run_stem(x.contiguous(memory_format=torch.channels_last), visible)
        features = []
        for index in range(self.out_stages[-1] + 1):
            x = self._run_stage(index, x, visible, max_cells)
            if index in self.out_stages:
                features.append(self._emit(self.out_stages.index(index), x, visible))
        return features

    @abstractmethod
    def _run_stem(
        self, x: Float[Tensor, "m 3 h w"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Tensor:
        """Normalised image to the first stage's input; hidden cells enter and leave as zeros."""

    @abstractmethod
    def _run_stage(
        self,
        index: int,
        x: Float[Tensor, "m c1 h1 w1"],
        visible: Bool[Tensor, "m hp wp"] | None,
        max_cells: int | None,
    ) -> Float[Tensor, "m c2 h2 w2"]:
        """One stage; hidden cells enter and leave as zeros."""

    @abstractmethod
    def _parts(self) -> Sequence[Iterable[nn.Module]]:
        """The modules of the stem, then those of each stage."""

    def _finish(self, model: Any, options: EncoderOptions) -> None:
        """Add outputs and normalisation once the layers are there, and freeze what is frozen."""
        stages = [info for info in model.feature_info if info["reduction"] >= 4]
        self._channels = tuple(int(stages[index]["num_chs"]) for index in self.out_stages)
        self._strides = tuple(int(stages[index]["reduction"]) for index in self.out_stages)
        self.out_norms = nn.ModuleList(ChannelLayerNorm(channels) for channels in self._channels)
        self.mask_tokens = nn.ParameterList(
            nn.init.trunc_normal_(torch.empty(channels, 1, 1), std=0.02)
            for channels in (self._channels if options.mask_token else ())
        )
        for name, own in (("mean", options.mean), ("std", options.std)):
            value = torch.tensor(model.pretrained_cfg[name] if own is None else own)
            self.register_buffer(name, value.reshape(3, 1, 1), persistent=False)
        for module in self._frozen():
            module.requires_grad_(False)
        self.train()

    def _run_blocks(
        self,
        index: int,
        run: RunBlock,
        blocks: Iterable[nn.Module],
        x: Float[Tensor, "m c1 h1 w1"],
        visible: Bool[Tensor, "m hp wp"] | None,
    ) -> Float[Tensor, "m c2 h2 w2"]:
        """Run a stage's blocks one after the other."""
        again = self._computes_again(index)
        for block in blocks:
            call = _BlockCall(run, block, visible, self.statistics, again)
            x = checkpoint(call, x, use_reentrant=False) if again else call(x)
        return x

    def _computes_again(self, index: int) -> bool:
        """Whether a stage's blocks are computed a second time in the backward pass."""
        return index < self.checkpoint_stages

    def _emit(
        self, output: int, x: Float[Tensor, "m c hf wf"], visible: Bool[Tensor, "m hp wp"] | None
    ) -> Float[Tensor, "m c hf wf"]:
        """Normalise the map of one output; hidden cells become zero or the mask token."""
        normed: Tensor = self.out_norms[output](x)
        if visible is None or not self.mask_tokens:
            return hide(normed, visible)
        token = self.mask_tokens[output].to(normed.dtype)
        return torch.where(visible_positions(visible, normed), normed, token)

    def _frozen(self) -> Iterator[nn.Module]:
        if self.frozen_stages:
            for part in self._parts()[: self.frozen_stages + 1]:
                yield from part

    def _check_shapes(self, images: Tensor, visible: Tensor | None) -> None:
        stride, (h, w) = self.strides[-1], images.shape[-2:]
        if h % stride or w % stride:
            raise ValueError(
                f"images: expected rows and columns that are multiples of the stride {stride}, got "
                f"{h} x {w} pixels; pad them at the right and the bottom"
            )
        if visible is not None:
            patch_size_px(images.shape, visible.shape, stride)


class _BlockCall:
    """One block on one mask. Only the first call moves running statistics: the others repeat it."""

    def __init__(
        self,
        run: RunBlock,
        block: nn.Module,
        visible: Bool[Tensor, "m hp wp"] | None,
        statistics: Statistics,
        repeated: bool,
    ) -> None:
        self.run, self.block, self.visible = run, block, visible
        self.statistics = replace(statistics, kept={} if repeated else None)

    def __call__(self, x: Float[Tensor, "m c1 h1 w1"]) -> Float[Tensor, "m c2 h2 w2"]:
        statistics, self.statistics = self.statistics, replace(self.statistics, track=False)
        return self.run(self.block, x, self.visible, statistics)


def create_timm_model(
    name: str,
    options: EncoderOptions,
    parts: Sequence[str],
    rename: Renaming | None = None,
    **arguments: Any,
) -> Any:
    """A timm model without classifier, with the weights that the options want.

    Args:
        name: timm's name.
        options: Of these `drop_path_rate`, `weights` and `init` are used here.
        parts: Prefixes of the weights an encoder needs.
        rename: Translates weights into timm's names.
        arguments: For the model's constructor; None stands for timm's own choice.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    model = timm.create_model(
        name, pretrained=False, num_classes=0, drop_path_rate=options.drop_path_rate, **given
    )
    if options.weights is not None:
        load_weights(model, options.weights, parts, rename)
    elif options.init == "fan_in":
        model.apply(_init_by_fan_in)
    return model


def check_name(name: str, supported: Sequence[str]) -> None:
    """Refuse a name that is not supported.

    Raises:
        ValueError: Naming the nearest supported name and all of them.
    """
    if name not in supported:
        raise ValueError(
            f"encoder: {name!r} is not supported{did_you_mean(name, supported)}; there are: "
            f"{', '.join(supported)}"
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
