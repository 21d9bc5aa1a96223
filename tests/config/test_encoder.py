"""Which encoder a config names, and which options each family has."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mim4d.build import trunk as build
from mim4d.build.trunk import build_image_encoder, without_weights_file
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.config.encoder import EncoderConfig
from mim4d.config.presets import preset
from mim4d.models.encoder.convnext import MaskedConvNeXt, convnext_names
from mim4d.models.encoder.efficientnet import MaskedEfficientNet, efficientnet_names
from mim4d.models.encoder.resnet import MaskedResNet, resnet_names
from mim4d.models.encoder.weights import PretrainedWeights
from tests.models.encoder.encoders import timm_twin

# Parts that the forward passes of ResNet and EfficientNet know.
KNOWN = {
    *("Sequential", "ModuleList", "ParameterList", "Identity", "Conv2d", "Conv2dSame", "MaxPool2d"),
    *("BatchNorm2d", "BatchNormAct2d", "ChannelLayerNorm", "ReLU", "ReLU6", "SiLU", "Sigmoid"),
    *("BasicBlock", "Bottleneck", "DepthwiseSeparableConv", "InvertedResidual", "SqueezeExcite"),
    *("MaskedResNet", "MaskedEfficientNet"),
}


@pytest.mark.parametrize(
    ("name", "kind", "channels"),
    [
        ("convnext_atto", MaskedConvNeXt, (80, 160, 320)),
        ("resnet18", MaskedResNet, (128, 256, 512)),
        ("resnet50", MaskedResNet, (512, 1024, 2048)),
        ("wide_resnet50_2", MaskedResNet, (512, 1024, 2048)),
        ("resnext50_32x4d", MaskedResNet, (512, 1024, 2048)),
        ("efficientnet_b0", MaskedEfficientNet, (40, 112, 320)),
        ("tf_efficientnet_lite0", MaskedEfficientNet, (40, 112, 320)),
    ],
)
def test_a_name_chooses_the_family(name: str, kind: type, channels: tuple[int, ...]) -> None:
    with torch.device("meta"):
        encoder = build_image_encoder(EncoderConfig(name=name))
    assert type(encoder) is kind
    assert encoder.channels == channels
    assert encoder.strides == (8, 16, 32)


@pytest.mark.slow
def test_every_supported_name_has_a_family_and_only_known_parts() -> None:
    """Any other part would be left out silently."""
    names = {"convnext": convnext_names(), "resnet": resnet_names()}
    names["efficientnet"] = efficientnet_names()
    assert all(
        EncoderConfig(name=name).family == family for family in names for name in names[family]
    )
    assert {"resnet18", "resnet34", "resnet50", "resnet101"} <= set(names["resnet"])
    for size in ("lite0", "lite4", "b0", "b4"):
        assert {f"efficientnet_{size}", f"tf_efficientnet_{size}"} <= set(names["efficientnet"])
    shallow = [name for name in names["resnet"] if not re.search(r"101|152|200", name)]
    for name in (*shallow, "resnext101_64x4d", "efficientnet_lite4", "tf_efficientnet_b0"):
        with torch.device("meta"):
            encoder = build_image_encoder(EncoderConfig(name=name))
        assert {type(module).__name__ for module in encoder.modules()} <= KNOWN, name


def test_the_options_reach_the_encoder() -> None:
    config = EncoderConfig(
        name="resnet18",
        depths=(1, 1, 1, 1),
        widths=(16, 16, 24, 32),
        drop_path_rate=0.3,
        frozen_stages=2,
        norm_eval=True,
        mask_token=True,
        checkpoint_blocks=True,
        levels=(0, 2),
        init="fan_in",
    )
    encoder = build_image_encoder(config)
    renormalised = replace(config, renormalise_after=9, norm_eval=False)
    assert build_image_encoder(renormalised).statistics.renormalise_after == 9
    assert encoder.channels == (16, 24)
    assert len(encoder.mask_tokens) == 2
    assert encoder.frozen_stages == 2
    assert encoder.norm_eval
    assert encoder.checkpoint_stages == 4
    first = build_image_encoder(replace(config, checkpoint_stages=1))
    assert first.checkpoint_stages == 1
    none = build_image_encoder(replace(config, checkpoint_blocks=False, checkpoint_stages=1))
    assert none.checkpoint_stages == 0
    blocks = encoder.get_submodule("layer3.0")
    assert blocks.get_parameter("bn2.weight").eq(1).all()
    assert blocks.get_submodule("drop_path").drop_prob == pytest.approx(0.2)


def test_weights_come_from_where_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = timm_twin("tf_efficientnet_lite0").state_dict()
    torch.save(tensors, tmp_path / "own.pth")
    config = EncoderConfig(name="tf_efficientnet_lite0", weights_file=tmp_path / "own.pth")
    key = "conv_stem.weight"
    assert torch.equal(build_image_encoder(config).state_dict()[key], tensors[key])
    other = {name: torch.full_like(value, 2) for name, value in tensors.items()}
    monkeypatch.setattr(build, "lite0_imagenet", lambda: PretrainedWeights(other, "package"))
    config = replace(config, weights_file=None, weights="lite0_imagenet")
    assert build_image_encoder(config).state_dict()[key].eq(2).all()


def test_a_loaded_run_needs_no_weights_to_start_from() -> None:
    """Its checkpoint has them: neither the file nor the package must still be there."""
    run = preset("toy")
    own = replace(run, encoder=replace(run.encoder, weights_file=Path("gone.pth")))
    assert without_weights_file(own) == run
    lite0 = EncoderConfig(name="tf_efficientnet_lite0", weights="lite0_imagenet", neck_channels=8)
    bare = without_weights_file(replace(run, encoder=lite0))
    assert bare.encoder == replace(lite0, weights="random")
    build_image_encoder(bare.encoder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "vit_small"}, r"encoder\.name: expected a ConvNeXt.*got 'vit_small'"),
        (
            {"name": "resnet18", "layer_scale_init": 1.0},
            r"encoder\.layer_scale_init: expected None.*resnet18 \(resnet\).*got 1\.0",
        ),
        (
            {"name": "efficientnet_b0", "depths": (1, 1, 1, 1)},
            r"encoder\.depths: expected None.*efficientnet_b0",
        ),
        (
            {"name": "efficientnet_b0", "widths": (8, 8, 8, 8)},
            r"encoder\.widths: expected None.*efficientnet_b0",
        ),
        ({"norm_eval": True}, r"encoder\.norm_eval: expected False.*convnext_atto"),
        ({"renormalise_after": 9}, r"encoder\.renormalise_after: expected None.*convnext_atto"),
        (
            {"name": "resnet18", "renormalise_after": -1},
            r"encoder\.renormalise_after: expected a number of steps, or None, got -1",
        ),
        (
            {"name": "resnet18", "renormalise_after": 9, "norm_eval": True},
            r"encoder\.norm_eval: expected False beside encoder\.renormalise_after",
        ),
        ({"checkpoint_stages": 5}, r"encoder\.checkpoint_stages: expected 1 to 4, got 5"),
        ({"weights": "lite0_imagenet"}, r"encoder\.name: expected tf_efficientnet_lite0"),
        (
            {
                "name": "tf_efficientnet_lite0",
                "weights": "lite0_imagenet",
                "weights_file": Path("a"),
            },
            r"encoder\.weights_file: expected None",
        ),
    ],
)
def test_options_that_a_family_does_not_have_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**options)


def test_configurations_survive_json_and_old_ones_are_read() -> None:
    config = preset("toy")
    encoder = EncoderConfig(name="tf_efficientnet_lite0", weights="lite0_imagenet", mask_token=True)
    config = replace(config, encoder=encoder)
    text = config_to_json(config)
    assert config_from_json(text, "a") == config
    for added in ("weights", "norm_eval", "mask_token", "checkpoint_blocks"):
        lines = [line for line in text.splitlines() if f'"{added}"' not in line]
        text = "\n".join(lines)
    old = config_from_json(text, "old")
    assert old.encoder == EncoderConfig(name="tf_efficientnet_lite0")
