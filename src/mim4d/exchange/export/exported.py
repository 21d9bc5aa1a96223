"""What an export is made of, and what all of them share.

A trained `VideoEncoder` enters; weights under the names of one framework leave, with the lines that
load them. Our encoders consist of timm's layers under timm's names, so an export renames; the layer
norm that stands at each output of ours is in no framework's classifiers and goes to a file of its
own.
"""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.config.encoder import EncoderConfig
from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.masked_encoder import MaskedEncoder

Features = Callable[[Float[Tensor, "m 3 h w"]], Sequence[Float[Tensor, "m _c _hf _wf"]]]
_OURS = ("out_norms.", "mask_tokens.")
_TOLERANCE = 1e-6
_CHECK_HW = (64, 96)


@dataclass(frozen=True)
class Exported:
    """Weights for one framework.

    Attributes:
        weights: By the framework's names.
        model: What they belong to, in words.
        load: Python or configuration lines that load them; `{weights}` and `{norms}` stand for the
            files.
        output_norms: Norms of the outputs, where the framework's model has no place for them: by
            `norm{stage}.weight` and `norm{stage}.bias`.
        metadata: Strings for the head of the file.
        left_out: Parts of ours that the framework has no place for, and why.
        difference: Largest difference between the framework's features and ours, as a share of
            the largest feature; None where the framework is not installed.
        content: The whole file, of a format that is no dictionary of tensors.
        config: Text of the `config.json` that a folder in Hugging Face's layout has beside the
            weights, where the framework reads one.
        library: Name of the framework on a model hub.
    """

    weights: dict[str, Tensor]
    model: str
    load: str
    output_norms: dict[str, Tensor] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    difference: float | None = None
    content: bytes | None = None
    config: str | None = None
    library: str = "mim4d"


def backbone_weights(encoder: MaskedEncoder) -> dict[str, Tensor]:
    """The timm part of an encoder, under timm's names."""
    state = encoder.state_dict()
    return {name: value for name, value in state.items() if not name.startswith(_OURS)}


def output_norms(encoder: MaskedEncoder) -> dict[str, Tensor]:
    """The norms of the outputs: `norm{stage}.weight` and `norm{stage}.bias`."""
    norms = {}
    for stage, norm in zip(encoder.out_stages, encoder.out_norms, strict=True):
        for name, value in norm.state_dict().items():
            norms[f"norm{stage}.{name}"] = value
    return norms


def stages_of(encoder: MaskedEncoder) -> list[Any]:
    """The blocks of each stage of a ConvNeXt or ResNet."""
    if isinstance(encoder, MaskedConvNeXt):
        return [list(stage.children())[-1] for stage in encoder.stages]
    return [encoder.get_submodule(f"layer{s + 1}") for s in range(encoder.out_stages[-1] + 1)]


def require_all_stages(encoder: MaskedEncoder, framework: str) -> None:
    """Refuse an encoder that ends early.

    Raises:
        ValueError: If the encoder has fewer than the four stages of the framework's models.
    """
    if encoder.out_stages[-1] < 3:
        raise ValueError(
            f"encoder.levels {encoder.out_stages}: the encoder ends after stage "
            f"{encoder.out_stages[-1]}, and {framework}'s models have stages 0 to 3; export it "
            "with --to safetensors"
        )


def require_plain_convnext(encoder: MaskedConvNeXt, name: str, framework: str) -> None:
    """Refuse ConvNeXts that only timm knows: overlapping stems, RMS norms, other ε.

    Raises:
        ValueError: If the encoder is one.
    """
    norms = [module for module in encoder.modules() if "norm" in type(module).__name__.lower()]
    layer_norms = [m for m in norms if isinstance(m, nn.LayerNorm) and m.bias is not None]
    if (
        len(encoder.stem) != 2
        or len(layer_norms) != len(norms)
        or {norm.eps for norm in layer_norms} != {1e-6}
    ):
        raise ValueError(
            f"encoder.name {name}: {framework} has only the plain ConvNeXt (stem of one 4×4 "
            "convolution, layer norms with ε 1e-6); export it with --to timm"
        )


def linear_pointwise(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """1×1 convolutions of ConvNeXt's small sizes as the matrices of linear layers."""
    return {
        name: value.flatten(1) if ".mlp.fc" in name and value.ndim == 4 else value
        for name, value in weights.items()
    }


@torch.no_grad()
def feature_difference(encoder: MaskedEncoder, twin: nn.Module, features: Features) -> float:
    """Compare a framework's features with the encoder's on one image of noise.

    In double precision: the two sum in different orders, and a deep network with unlucky weights
    makes much of the last digits of single precision.

    Args:
        encoder: Ours, in evaluation mode.
        twin: The framework's model.
        features: Normalised images to its four maps, without the output norms.

    Raises:
        ValueError: If they are not the same, so that no such file is ever written.
    """
    images = torch.rand(1, 3, *_CHECK_HW, generator=torch.Generator().manual_seed(0)).double()
    exact = deepcopy(encoder).double()
    twin.double()
    maps = features((images - exact.mean) / exact.std)
    twin.float()
    largest = 0.0
    compared = zip(exact.out_stages, exact.out_norms, exact(images), strict=True)
    for stage, norm, ours in compared:
        difference = (norm(maps[stage]) - ours).abs().max() / ours.abs().max()
        largest = max(largest, float(difference))
    if not largest <= _TOLERANCE:
        raise ValueError(
            f"the exported model's features differ from the run's by {largest:.1e} of the largest; "
            "expected the same (to rounding): this encoder cannot be exported to this target"
        )
    return largest


def size_arguments(config: EncoderConfig, depths: str, widths: str) -> str:
    """`, depths=(1, 1, 2, 1), dims=(32, 64, 128, 256)` where they are not the named model's own."""
    given = ((depths, config.depths), (widths, config.widths))
    return "".join(f", {name}={value}" for name, value in given if value is not None)


def input_metadata(encoder: MaskedEncoder) -> dict[str, str]:
    """How the weights want their images, as strings for the head of a file."""
    return {
        "colours": "RGB in [0, 1]",
        "mean": json.dumps(rounded(encoder.mean)),
        "std": json.dumps(rounded(encoder.std)),
    }


def rounded(values: Tensor, scale: float = 1.0) -> list[float]:
    """Numbers of a small float32 tensor, to the digits that float32 holds."""
    return [round(float(value) * scale, 5) for value in values.flatten()]
