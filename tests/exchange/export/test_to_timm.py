from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mim4d.exchange.export.exported import feature_difference
from mim4d.exchange.export.to_timm import to_timm
from tests.exchange.export.cases import (
    assert_same,
    behind_norms,
    image_encoder,
    pictures,
    run_lines,
    small,
)
from tests.models.encoder.encoders import timm_twin

# Matrices and 1×1 convolutions, a norm before pooling, a deep stem.
CLASSIFIERS = [
    "convnext_atto",
    "convnext_tiny",
    "convnext_tiny_hnf",
    "convnext_atto_ols",
    "resnet18",
]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_loads_strictly_and_gives_the_same_features(name: str) -> None:
    config = small(name)
    encoder = image_encoder(config)
    exported = to_timm(encoder, config)
    model = timm_twin(name).eval()
    model.load_state_dict(exported.weights, strict=True)
    images, normalised = pictures(encoder)
    maps = model.forward_intermediates(normalised, intermediates_only=True)[-3:]
    assert_same(behind_norms(exported, dict(enumerate(maps, start=1))), encoder(images))
    assert exported.difference is not None
    assert exported.difference < 1e-4


@pytest.mark.parametrize("name", ["convnext_atto", "convnext_tiny_hnf"])
def test_the_last_norm_is_that_of_timms_head(name: str) -> None:
    """Before pooling (`norm_pre`) the pooled features are those of ours; after it, of its norm."""
    config = small(name)
    encoder = image_encoder(config)
    model = timm_twin(name).eval()
    model.load_state_dict(to_timm(encoder, config).weights)
    images, normalised = pictures(encoder)
    if name.endswith("_hnf"):
        expected = encoder(images)[-1].mean((2, 3))
    else:
        last = model.forward_intermediates(normalised, intermediates_only=True)[-1]
        expected = encoder.out_norms[-1](last.mean((2, 3), keepdim=True)).flatten(1)
    torch.testing.assert_close(model(normalised), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("convnext_atto", {}),
        ("resnet18", {"levels": (0, 3)}),
        ("tf_efficientnet_b0", {}),
    ],
)
@pytest.mark.slow
def test_lines_of_the_card_load_it(
    name: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(name, **options)
    encoder = image_encoder(config)
    exported = to_timm(encoder, config)
    save_file(exported.weights, tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    names = run_lines(exported.load.replace("{weights}", "model.safetensors"))
    # In double precision: these deep random networks make much of the last digits of single.
    images, normalised = (x.double() for x in pictures(encoder))
    exported.output_norms.update({k: v.double() for k, v in exported.output_norms.items()})
    backbone = names["backbone"].eval().double()
    maps = dict(zip(config.levels, backbone(normalised), strict=True))
    expected = encoder.double()(images)
    assert_same(behind_norms(exported, maps), expected)
    if "model" in names:
        last = names["model"].eval().double().forward_features(normalised)
        assert_same(behind_norms(exported, {3: last}), expected[-1:])


def test_mask_tokens_stay_out() -> None:
    config = small("convnext_atto", mask_token=True)
    timm_twin("convnext_atto").load_state_dict(to_timm(image_encoder(config), config).weights)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet18", {"levels": (1, 2)}, r"ends after stage 2.*--to safetensors"),
        ("convnext_large_mlp", {}, r"timm's model has head\.pre_logits.*--to safetensors"),
    ],
)
def test_what_timm_has_no_model_for_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    config = small(name, **options)
    with pytest.raises(ValueError, match=message):
        to_timm(image_encoder(config), config)


def test_other_features_are_never_written() -> None:
    encoder = image_encoder(small("convnext_atto"))
    twin = timm_twin("convnext_atto").eval()
    with pytest.raises(ValueError, match=r"features differ.*cannot be exported"):
        feature_difference(
            encoder, twin, lambda x: twin.forward_intermediates(x, intermediates_only=True)
        )
