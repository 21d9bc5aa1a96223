from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from mim4d.build.trunk import build_image_encoder
from mim4d.config.encoder import EncoderConfig
from mim4d.exchange.export.to_torchvision import _convnext, _resnet, to_torchvision
from tests.exchange.export.cases import (
    assert_same,
    behind_norms,
    image_encoder,
    pictures,
    run_lines,
    small,
)

TORCHVISION_WIDTHS = (64, 128, 256, 512)


def stages(model: Any) -> list[nn.Module]:
    """The modules whose outputs are the four stages' maps."""
    if isinstance(model, torchvision.models.ConvNeXt):
        return [model.features[index] for index in (1, 3, 5, 7)]
    return [model.layer1, model.layer2, model.layer3, model.layer4]


def stage_maps(model: nn.Module, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Every stage's map while the model itself runs, and what it puts out."""
    maps: list[Tensor] = []
    for stage in stages(model):
        stage.register_forward_hook(lambda module, given, made: maps.append(made))
    return maps, model.eval()(images)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("convnext_atto", {}),
        ("convnext_tiny", {}),
        ("resnet18", {"depths": None, "widths": None}),
        ("resnext50_32x4d", {"widths": TORCHVISION_WIDTHS, "depths": (1, 1, 1, 1)}),
    ],
)
@pytest.mark.slow
def test_lines_of_the_card_load_strictly_and_give_the_same_features(
    name: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(name, **options)
    encoder = image_encoder(config)
    exported = to_torchvision(encoder, config)
    save_file(exported.weights, tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    assert "strict=True" in exported.load
    model = run_lines(exported.load.replace("{weights}", "model.safetensors"))["model"]
    images, normalised = pictures(encoder)
    maps, pooled = stage_maps(model, normalised)
    assert_same(behind_norms(exported, {s: maps[s] for s in config.levels}), encoder(images))
    last = maps[3].mean((2, 3), keepdim=True)
    if name.startswith("convnext"):
        last = encoder.out_norms[-1](last)
    torch.testing.assert_close(pooled, last.flatten(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["convnext_tiny", "resnext50_32x4d"])
@pytest.mark.slow
def test_names_and_shapes_are_those_of_torchvisions_own_functions(name: str) -> None:
    """At real size, without memory; the classifier alone is left out."""
    config = EncoderConfig(name=name)
    with torch.device("meta"):
        encoder: Any = build_image_encoder(config)
        model = torchvision.models.get_model(name)
        convnext = name.startswith("convnext")
        twin = _convnext(encoder, config) if convnext else _resnet(encoder, config)
    expected = {key: value.shape for key, value in model.state_dict().items()}
    classifier = "classifier.2." if convnext else "fc."
    expected = {k: shape for k, shape in expected.items() if not k.startswith(classifier)}
    assert {key: value.shape for key, value in twin.weights.items()} == expected
    assert twin.maker == (f"from torchvision.models import {name}", f"{name}()")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tf_efficientnet_lite0", {}, r"tf_efficientnet_lite0: torchvision has no.*--to timm"),
        ("resnet18", {}, r"encoder\.widths \(16, 16, 24, 32\).*--to timm"),
        ("convnext_atto_ols", {}, r"only the plain ConvNeXt.*--to timm"),
        ("convnext_atto_rms", {}, r"only the plain ConvNeXt.*--to timm"),
        ("convnext_xxlarge", {}, r"only the plain ConvNeXt.*--to timm"),
        ("convnext_atto", {"levels": (2,)}, r"torchvision's models have stages 0 to 3"),
    ],
)
def test_what_torchvision_has_no_model_for_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    config = small(name, **options)
    with pytest.raises(ValueError, match=message):
        to_torchvision(image_encoder(config), config)
