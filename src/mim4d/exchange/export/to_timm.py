"""The image encoder as a timm model.

ConvNeXt and ResNet become what `timm.create_model(NAME, num_classes=0)` loads strictly; the norm of
the last stage is ConvNeXt's `head.norm`. EfficientNet's last convolution (`conv_head`) belongs to
its classifier and is not in our encoder, so it becomes what `features_only=True` loads strictly.
"""

import json
from typing import Any

import timm
from torch import Tensor

from mim4d.config.encoder import EncoderConfig
from mim4d.exchange.export.exported import (
    Exported,
    backbone_weights,
    feature_difference,
    input_metadata,
    output_norms,
    require_all_stages,
    rounded,
    size_arguments,
)
from mim4d.models.encoder.masked_encoder import MaskedEncoder

_HEAD_NORMS = ("head.norm.", "norm_pre.")
_SIZES = {"convnext": ("depths", "dims"), "resnet": ("layers", "channels")}


def to_timm(encoder: MaskedEncoder, config: EncoderConfig) -> Exported:
    """Weights that timm's model of the same name loads with `strict=True`.

    Args:
        encoder: In evaluation mode.
        config: What it was built from.

    Raises:
        ValueError: If timm's model has layers that the encoder does not have.
    """
    require_all_stages(encoder, "timm")
    features_only = config.family == "efficientnet"
    twin = _twin(config, features_only)
    weights = backbone_weights(encoder)
    _add_head_norm(weights, encoder, twin, config.name)
    twin.load_state_dict(weights, strict=True)

    def features(images: Tensor) -> list[Tensor]:
        if features_only:
            return list(twin(images))[-4:]
        return list(twin.forward_intermediates(images, intermediates_only=True))[-4:]

    return Exported(
        weights,
        model=f"timm {config.name}{size_arguments(config, *_sizes(config))}",
        load=_load_lines(config, encoder.out_stages, features_only),
        output_norms=output_norms(encoder),
        metadata={"architecture": config.name} | input_metadata(encoder),
        left_out=("neck and depth head: timm's models have none",),
        difference=feature_difference(encoder, twin, features),
        config=_hub_config(encoder, config, twin),
        library="timm",
    )


def _sizes(config: EncoderConfig) -> tuple[str, str]:
    return _SIZES.get(config.family, ("", ""))


def _hub_config(encoder: MaskedEncoder, config: EncoderConfig, twin: Any) -> str:
    """What `timm.create_model("local-dir:FOLDER")`, or `hf-hub:`, reads beside the weights."""
    mean, std = (rounded(values) for values in (encoder.mean, encoder.std))
    # Of what timm says of its own weights, only names of layers hold for these.
    layers = {name: twin.pretrained_cfg.get(name) for name in ("first_conv", "classifier")}
    about = {
        "architecture": config.name,
        "num_classes": 0,
        "model_args": _given_sizes(config),
        "pretrained_cfg": {"mean": mean, "std": std, "num_classes": 0, **layers},
    }
    return json.dumps(about, indent=2) + "\n"


def _given_sizes(config: EncoderConfig) -> dict[str, Any]:
    """Depths and widths, by timm's names, where they are not the named model's own."""
    sizes = zip(_sizes(config), (config.depths, config.widths), strict=True)
    return {name: value for name, value in sizes if value is not None}


def _twin(config: EncoderConfig, features_only: bool) -> Any:
    kind: dict[str, Any] = {"features_only": True} if features_only else {"num_classes": 0}
    return timm.create_model(config.name, **_given_sizes(config), **kind).eval()


def _add_head_norm(
    weights: dict[str, Tensor], encoder: MaskedEncoder, twin: Any, name: str
) -> None:
    """Fill timm's norm after the last stage with ours.

    Raises:
        ValueError: If the encoder lacks more of timm's model than that norm.
    """
    norm = encoder.out_norms[-1].state_dict()
    for key in twin.state_dict().keys() - weights.keys():
        word = key.rpartition(".")[2]
        if not key.startswith(_HEAD_NORMS) or word not in norm:
            raise ValueError(
                f"encoder.name {name}: timm's model has {key}, which the encoder of a run has not; "
                "export it with --to safetensors"
            )
        weights[key] = norm[word]


def _load_lines(config: EncoderConfig, stages: tuple[int, ...], features_only: bool) -> str:
    sizes = size_arguments(config, *_sizes(config))
    first = 0 if config.family == "convnext" else 1  # the others' first map is of stride 2
    indices = tuple(stage + first for stage in stages)
    lines = ["import timm", ""]
    source = 'checkpoint_path="{weights}"'
    if not features_only:
        lines += _call("model", [f'"{config.name}", num_classes=0{sizes}', source])
        # timm wraps layers for features_only under other names, so it must load before it wraps.
        source = 'pretrained=True, pretrained_cfg_overlay=dict(file="{weights}")'
    wrapped = f'"{config.name}", features_only=True, out_indices={indices}{sizes}'
    return "\n".join(lines + _call("backbone", [wrapped, source]))


def _call(name: str, arguments: list[str]) -> list[str]:
    return [f"{name} = timm.create_model(", *(f"    {each}," for each in arguments), ")"]
