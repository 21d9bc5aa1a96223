import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from mim4d.build.trunk import build_image_encoder, build_video_encoder
from mim4d.config.encoder import EncoderConfig
from mim4d.config.presets import preset
from mim4d.exchange.export.exported import Exported
from mim4d.exchange.export.to_mmdet import _resnet_lines, official_weights, to_mmdet, to_uvtr
from mim4d.exchange.export.to_torchvision import torchvision_features
from mim4d.models.encoder.resnet import MaskedResNet
from tests.exchange.export.cases import assert_same, pictures, run_lines, small, video_encoder
from tests.reference.mmdet import ConvNeXt, Fpn, pretrained_part


def detector(exported: Exported) -> tuple[ConvNeXt, Fpn, set[str]]:
    """Twins built from the configuration of the card, with the weights that it makes mmcv take.

    Returns also the names in the neck that no weight was there for.
    """
    lines = run_lines(exported.load)
    config, file = lines["model"], {"state_dict": exported.weights}
    backbone, neck = ConvNeXt(**config["img_backbone"]), Fpn(**config["img_neck"])
    missing = set[str]()
    for name, module in (("img_backbone", backbone), ("img_neck", neck)):
        by_load_from = {"type": "Pretrained", "prefix": f"{name}."}
        cfg = by_load_from if "load_from" in lines else config[name]["init_cfg"]
        found = module.load_state_dict(pretrained_part(file, cfg), strict=False)
        assert not found.unexpected_keys
        missing |= set(found.missing_keys)
    return backbone.eval(), neck.eval(), missing


@pytest.mark.parametrize("to", [to_mmdet, to_uvtr])
@pytest.mark.parametrize(
    ("options", "fresh"),
    [
        ({"lift_levels": 4}, set()),
        ({"lift_levels": 5, "name": "convnext_tiny"}, set()),
        ({"levels": (3,)}, set()),
        ({"lift_levels": 2}, {"fpn_convs.2.conv.weight", "fpn_convs.2.conv.bias"}),
    ],
)
def test_convnext_and_neck_give_the_same_features(
    to: Any, options: dict[str, Any], fresh: set[str]
) -> None:
    usual: dict[str, Any] = {"name": "convnext_atto", "neck_channels": 8, "mask_token": True}
    config = small(**(usual | options))
    encoder, _ = video_encoder(config)
    exported = to(encoder, config)
    backbone, neck, missing = detector(exported)
    images, normalised = pictures(encoder.image_encoder)
    maps, levels = backbone(normalised), encoder.encode_images(images)
    assert_same(maps, encoder.image_encoder(images))
    assert_same(neck(maps)[: len(levels)], levels)
    assert missing == fresh
    remarks = " ".join(exported.left_out)
    assert all(f"`img_neck.{name.partition('.conv')[0]}`" in remarks for name in fresh)


def test_a_backbone_that_ends_early_is_built_so() -> None:
    config = small("convnext_atto", levels=(0, 1))
    encoder, _ = video_encoder(config)
    backbone, _, _ = detector(to_mmdet(encoder, config))
    images, normalised = pictures(encoder.image_encoder)
    assert_same(backbone(normalised), encoder.image_encoder(images))


def test_the_simple_depth_head_is_uvtrs() -> None:
    config = small("convnext_atto", neck_channels=8)
    encoder, _ = video_encoder(config, depth_head="simple")
    exported = to_uvtr(encoder, config)
    head, x = encoder.depth_head, torch.rand(2, 8, 4, 6)
    (features,), (probs,) = head([x])
    weights = exported.weights
    projected = nn.functional.conv2d(x, weights["input_proj.weight"], weights["input_proj.bias"])
    logits = nn.functional.conv2d(projected, weights["depth_net.weight"], weights["depth_net.bias"])
    torch.testing.assert_close(projected, features)
    torch.testing.assert_close(logits.softmax(1), probs)
    assert not any("depth" in part for part in exported.left_out)
    assert "12 bins, centres from 1.0 to 45.0 m" in exported.load
    assert not any(name.startswith("depth_net") for name in to_mmdet(encoder, config).weights)
    assert any("--to uvtr has it" in part for part in to_mmdet(encoder, config).left_out)


@pytest.mark.parametrize("head", ["camera_aware", "aspp"])
def test_a_depth_head_that_uvtr_does_not_have_is_left_out_and_named(head: str) -> None:
    """The pyramid here has layer norms, UVTR's batch norms."""
    config = small("convnext_atto", neck_channels=8)
    encoder, _ = video_encoder(config, depth_head=head)
    exported = to_uvtr(encoder, config)
    assert {name.split(".")[0] for name in exported.weights} == {"img_backbone", "img_neck"}
    assert any(part.startswith("depth head") for part in exported.left_out)


def test_uvtr_names_and_shapes_are_those_of_the_published_detector(golden_dir: Path) -> None:
    listed = json.loads((golden_dir / "official_state_dict_keys.json").read_text())
    official = listed["uvtr_convnext_s_vs0.1_finetune.py"]["state_dict"]
    parts = ("img_backbone.", "img_neck.", "input_proj.", "depth_net.")
    expected = {k: tuple(v["shape"]) for k, v in official.items() if k.startswith(parts)}
    # The detector builds a norm for stage 0, which its neck does not read.
    del expected["img_backbone.norm0.weight"], expected["img_backbone.norm0.bias"]
    config = preset("nuscenes_s_080")
    with torch.device("meta"):
        weights = official_weights(build_video_encoder(config), with_depth_head=True)
    assert {k: tuple(v.shape) for k, v in weights.items()} == expected


def test_resnet_has_torchvisions_names_below_the_prefix() -> None:
    """mmdet loads `torchvision://` weights into its ResNet, so their names are the same."""
    config = small("resnet18", depths=None, widths=None)
    encoder, _ = video_encoder(config)
    exported = to_mmdet(encoder, config)
    lines = run_lines(exported.load)
    backbone = lines["model"]["img_backbone"]
    assert backbone["out_indices"] == [1, 2, 3]
    assert "img_neck" not in lines["model"]
    assert any(part.startswith("neck") for part in exported.left_out)
    model = torchvision.models.get_model("resnet18").eval()
    model.fc = nn.Identity()
    file = {"state_dict": exported.weights}
    model.load_state_dict(pretrained_part(file, backbone["init_cfg"]), strict=True)
    images, normalised = pictures(encoder.image_encoder)
    maps = torchvision_features(model, normalised)
    norms = encoder.image_encoder.out_norms
    normed = [norm(x) for norm, x in zip(norms, maps[1:], strict=True)]
    assert_same(normed, encoder.image_encoder(images))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet101", {"type": "ResNet", "depth": 101}),
        ("resnext50_32x4d", {"type": "ResNeXt", "depth": 50, "groups": 32, "base_width": 4}),
    ],
)
def test_arguments_of_mmdets_resnets(name: str, expected: dict[str, Any]) -> None:
    config = EncoderConfig(name=name, levels=(2,))
    with torch.device("meta"):
        encoder = build_image_encoder(config)
    assert isinstance(encoder, MaskedResNet)
    arguments = run_lines(f"made = dict({' '.join(_resnet_lines(encoder, config))})")["made"]
    stages = {"num_stages": 3, "out_indices": [2], "style": "pytorch"}
    assert {key: arguments[key] for key in (*expected, *stages)} == expected | stages


def test_resnets_that_mmdet_does_not_build_are_refused() -> None:
    config = EncoderConfig(name="resnet26")
    with torch.device("meta"):
        encoder = build_image_encoder(config)
    assert isinstance(encoder, MaskedResNet)
    with pytest.raises(ValueError, match=r"not resnet26.*--to timm"):
        _resnet_lines(encoder, config)


def test_normalisation_is_in_levels_and_in_rgb() -> None:
    config = small("convnext_atto")
    exported = to_mmdet(video_encoder(config)[0], config)
    given = run_lines(exported.load)["img_norm_cfg"]
    assert given == {
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "to_rgb": True,
    }


@pytest.mark.parametrize(
    ("to", "name", "options", "message"),
    [
        (to_mmdet, "tf_efficientnet_lite0", {}, r"tf_efficientnet_lite0.*--to timm"),
        (to_mmdet, "resnet18", {}, r"not resnet18 of own depths or widths.*--to timm"),
        (to_mmdet, "convnext_atto_ols", {}, "mmpretrain has only the plain ConvNeXt"),
        (to_uvtr, "resnet18", {}, r"UVTR's own backbone is a ConvNeXt.*--to mmdet"),
        (to_uvtr, "convnext_atto_rms", {}, "UVTR has only the plain ConvNeXt"),
    ],
)
def test_what_they_have_no_model_for_is_refused(
    to: Any, name: str, options: dict[str, Any], message: str
) -> None:
    config = small(name, **options)
    encoder, _ = video_encoder(config)
    with pytest.raises(ValueError, match=message):
        to(encoder, config)
