import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from mim4d.exchange.official.rules import Naming
from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.masked_encoder import EncoderOptions
from mim4d.models.encoder.masking import draw_patch_mask, enlarge_mask
from mim4d.models.encoder.weights import read_weights
from tests.exchange.official_parts import our_names, our_weights
from tests.parity import GoldenFile
from tests.reference.encoder import encode, weighted_sum

TINY: dict[str, Any] = {
    "depths": (1, 1, 2, 1),
    "widths": (8, 12, 16, 24),
    "layer_scale_init": 1.0,
}
TIMM_TINY = {"depths": TINY["depths"], "dims": TINY["widths"]}
# conv_mlp, linear MLP, overlapping stem, overlapping stem with activation and another norm
FAMILIES = ["convnext_atto", "convnext_tiny", "convnext_atto_ols", "convnext_zepto_rms_ols"]


def tiny(name: str = "convnext_atto", **options: Any) -> MaskedConvNeXt:
    """A small encoder with random biases and scales too, so that every parameter matters."""
    encoder = MaskedConvNeXt(
        name, EncoderOptions(**({"out_stages": (0, 1, 2, 3)} | options)), **TINY
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return encoder.eval()


def from_file(file: Path) -> MaskedConvNeXt:
    return MaskedConvNeXt(options=EncoderOptions(weights=read_weights(file)), **TINY)


def batch(seed: torch.Generator, m: int = 2) -> tuple[Tensor, Tensor]:
    images = torch.rand(m, 3, 64, 96, generator=seed)
    return images, draw_patch_mask((m,), (2, 3), 0.4, seed)


def hidden_cells(visible: Tensor, feature: Tensor) -> Tensor:
    return ~enlarge_mask(visible, feature.shape[-2] // visible.shape[-2])[:, None]


# --- the authors' numbers ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["convnext_tiny", "convnext_atto"])
@pytest.mark.parametrize(
    "case", ["mask_convnext", "mask_convnext_learnable", "mask_convnext_last", "convnext_dense"]
)
def test_golden(golden: Callable[[str], GoldenFile], case: str, name: str) -> None:
    file = golden(case)
    config = file.config
    stages = config["out_indices"]
    stages = (stages,) if isinstance(stages, int) else tuple(stages)
    options = EncoderOptions(
        out_stages=stages,
        drop_path_rate=config["drop_path_rate"],
        frozen_stages=config["frozen_stages"],
        mask_token=bool((config["mae_cfg"] or {}).get("learnable")),
        mean=(0.0, 0.0, 0.0),  # the stored images are normalised already
        std=(1.0, 1.0, 1.0),
    )
    arch = config["arch"]
    encoder = MaskedConvNeXt(name, options, tuple(arch["depths"]), tuple(arch["channels"])).eval()
    shapes = {key: value.shape for key, value in encoder.state_dict().items()}
    names = our_names(file.part("weights"), "img_backbone.", Naming(stages, 1))
    weights = our_weights(file.part("weights"), "img_backbone.", Naming(stages, 1))
    # As 1×1 convolutions the MLP matrices have two more axes of length 1.
    encoder.load_state_dict({key: value.reshape(shapes[key]) for key, value in weights.items()})
    images = file.tensors["in.img"].requires_grad_()
    mask = file.tensors.get("in.mask")
    features = encoder(images, None if mask is None else mask[:, 0])
    for stage, feature in zip(stages, features, strict=True):
        file.check(f"out.feat.{stage}", feature)
    loss = sum(
        ((f * file.tensors[f"in.cot.{s}"]).sum() for s, f in zip(stages, features, strict=True)),
        torch.zeros(()),
    )
    file.check("out.loss", loss)

    loss.backward()
    parameters = dict(encoder.named_parameters())
    frozen = {names[key] for key in config["frozen_parameters"]}
    assert {key for key, p in parameters.items() if not p.requires_grad} == frozen
    assert images.grad is not None
    file.check("out.grad.in.img", images.grad)
    norms = file.part("out.gradnorm")
    assert {names[key] for key in norms} == set(parameters) - frozen
    largest = max(norms.values()).item()
    for key in norms:
        gradient = parameters[names[key]].grad
        assert gradient is not None
        file.check(f"out.gradnorm.{key}", gradient.norm(), floor=1e-3 * largest)
    for key, value in file.part("out.grad.weights").items():
        gradient = parameters[names[key]].grad
        assert gradient is not None
        file.check(f"out.grad.weights.{key}", gradient.reshape(value.shape))


# --- slow twin ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_equals_masking_after_every_layer(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    images.requires_grad_()
    encoder = tiny(name)
    inputs = [images, *encoder.parameters()]
    features, expected = encoder(images, visible), encode(encoder, images, visible)
    for a, b in zip(features, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(weighted_sum(features), inputs)
    for a, b in zip(gradients, torch.autograd.grad(weighted_sum(expected), inputs), strict=True):
        # Sums over thousands of positions: compared with the largest entry of each gradient.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * b.abs().max().item())


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_hidden_cells_are_exactly_zero(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    for feature in tiny(name)(images, visible):
        hidden = hidden_cells(visible, feature).expand_as(feature)
        assert (feature[hidden] == 0).all()
        assert (feature[~hidden] != 0).float().mean() > 0.99


@pytest.mark.parametrize("name", FAMILIES)
def test_changing_hidden_pixels_changes_nothing(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    pixels = enlarge_mask(visible, 32)[:, None]
    changed = torch.where(pixels, images, torch.rand(images.shape, generator=seed))
    encoder = tiny(name)
    assert not torch.equal(images, changed)
    for before, after in zip(encoder(images, visible), encoder(changed, visible), strict=True):
        assert torch.equal(before, after)
    # The other way round: without the mask the same change does reach the features.
    for before, after in zip(encoder(images), encoder(changed), strict=True):
        assert not torch.equal(before, after)


@pytest.mark.parametrize("name", FAMILIES)
def test_dense_and_fully_visible_equal_timm(name: str, seed: torch.Generator) -> None:
    images, _ = batch(seed)
    encoder = tiny(name)
    reference: Any = timm.create_model(name, num_classes=0, **TIMM_TINY)
    missing = reference.load_state_dict(encoder.state_dict(), strict=False).missing_keys
    assert all(key.startswith("head.") for key in missing)
    normalised = (images - encoder.mean) / encoder.std
    expected = reference.eval().forward_intermediates(normalised, intermediates_only=True)[-4:]
    dense = encoder(images)
    shown = encoder(images, torch.ones(2, 2, 3, dtype=torch.bool))
    for norm, want, a, b in zip(encoder.out_norms, expected, dense, shown, strict=True):
        # Of unit scale after the norm: sums in another order than timm's differ in the last digits.
        torch.testing.assert_close(a, norm(want), rtol=1e-5, atol=5e-6)
        assert torch.equal(a, b)


@pytest.mark.parametrize("out_stages", [(0,), (1, 2, 3), (2,), (3,)])
@pytest.mark.parametrize("mask_token", [False, True])
def test_every_trainable_parameter_gets_a_gradient(
    out_stages: tuple[int, ...], mask_token: bool, seed: torch.Generator
) -> None:
    images, visible = batch(seed)
    encoder = tiny(out_stages=out_stages, mask_token=mask_token, frozen_stages=1)
    weighted_sum(encoder(images, visible)).backward()
    for key, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert parameter.grad.abs().max() > 0, key
        else:
            assert key.startswith(("stem.", "stages.0.")), key
            assert parameter.grad is None


def test_frozen_stages_stay_in_eval_mode() -> None:
    encoder = tiny(frozen_stages=2, drop_path_rate=0.5)
    assert encoder.train() is encoder
    assert encoder.training
    assert not any(
        m.training for part in (encoder.stem, *encoder.stages[:2]) for m in part.modules()
    )
    assert all(module.training for part in encoder.stages[2:] for module in part.modules())
    assert MaskedConvNeXt(options=EncoderOptions(frozen_stages=1), **TINY).stem.training is False
    assert all(p.requires_grad for p in tiny(frozen_stages=0).parameters())


def test_drop_path_acts_in_training_only(seed: torch.Generator) -> None:
    images, visible = batch(seed, m=4)
    encoder = tiny(drop_path_rate=0.9)
    assert torch.equal(encoder(images, visible)[-1], encoder(images, visible)[-1])
    torch.manual_seed(0)
    first, second = (encoder.train()(images, visible)[-1] for _ in range(2))
    assert not torch.equal(first, second)
    assert (first[hidden_cells(visible, first).expand_as(first)] == 0).all()


@pytest.mark.parametrize("name", ["convnext_atto", "convnext_tiny"])
def test_bfloat16_autocast_keeps_zeros_exact(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = tiny(name)
    exact = encoder(images, visible)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encoder(images, visible)
    for feature, want in zip(features, exact, strict=True):
        assert (feature[hidden_cells(visible, feature).expand_as(feature)] == 0).all()
        # Eight bits of mantissa through a few layers of unit-variance features.
        torch.testing.assert_close(feature.float(), want, rtol=0.1, atol=0.15)


def test_channels_last_is_kept(seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = tiny().to(memory_format=torch.channels_last)
    for feature in encoder(images.contiguous(memory_format=torch.channels_last), visible):
        assert feature.is_contiguous(memory_format=torch.channels_last)


# --- weights and errors --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_are_loaded_from_a_local_file(ending: str, tmp_path: Path) -> None:
    model = timm.create_model("convnext_atto", num_classes=10, **TIMM_TINY)
    file = tmp_path / f"weights.{ending}"
    if ending == "pth":
        torch.save(model.state_dict(), file)
    else:
        save_file(model.state_dict(), file)
    encoder = from_file(file)
    loaded = encoder.state_dict()
    for key, value in model.state_dict().items():
        if not key.startswith("head."):
            assert torch.equal(loaded[key], value), key


def official_layout(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as ConvNeXt's authors name and shape them (matrices, not 1×1 convolutions)."""
    renamed = {}
    for key, value in weights.items():
        name = re.sub(r"^stages\.(\d)\.downsample", r"downsample_layers.\1", key)
        name = name.replace("stem.", "downsample_layers.0.").replace(".blocks", "")
        name = name.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        renamed[name] = value[..., 0, 0] if "pwconv" in name and value.ndim == 4 else value
    return renamed


def test_weights_in_the_original_layout(tmp_path: Path) -> None:
    weights = {k: v for k, v in tiny().state_dict().items() if not k.startswith("out_norms")}
    official = official_layout(weights)
    assert official["stages.2.1.pwconv1.weight"].ndim == 2
    torch.save({"model": official}, tmp_path / "official.pth")
    loaded = from_file(tmp_path / "official.pth").state_dict()
    for key, value in weights.items():
        assert torch.equal(loaded[key], value), key


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth not found"):
        from_file(tmp_path / "nowhere.pth")
    file = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(3), "head.norm.weight": torch.zeros(3)}, file)
    with pytest.raises(ValueError, match=r"other\.safetensors"):
        from_file(file)
    save_file({"fc.weight": torch.zeros(3, 3)}, file)
    with pytest.raises(ValueError, match="does not fit"):
        from_file(file)
    save_file({"conv1.weight": torch.zeros(3)}, file)
    with pytest.raises(ValueError, match=r"lacks \d+ weights.*stem"):
        from_file(file)


@pytest.mark.parametrize(
    "name", ["resnet18", "convnextv2_atto", "convnext_ato", "convnext_atto.d2"]
)
def test_other_models_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not supported.*there are: .*convnext_atto"):
        MaskedConvNeXt(name)
    with pytest.raises(ValueError, match="did you mean 'convnext_atto'"):
        MaskedConvNeXt("convnext_ato")


@pytest.mark.parametrize("out_stages", [(), (1, 1), (2, 1), (3, 4), (-1, 0)])
def test_stages_that_do_not_exist_are_refused(out_stages: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="out_stages"):
        tiny(out_stages=out_stages)
    with pytest.raises(ValueError, match="frozen_stages: expected 0 to 3"):
        tiny(out_stages=(1, 2), frozen_stages=4)


def test_fan_in_weights_let_every_block_count() -> None:
    """timm's small weights leave the blocks of a narrow model close to the identity."""
    torch.manual_seed(0)
    small: dict[str, Any] = {
        "depths": (1, 1, 1, 1),
        "widths": (16, 32, 64, 128),
        "layer_scale_init": 1.0,
    }
    images = torch.rand(2, 3, 64, 64)
    changes = {}
    for options in (EncoderOptions(init="timm"), EncoderOptions(init="fan_in")):
        model: Any = MaskedConvNeXt("convnext_atto", options, **small).eval()
        block = model.stages[0].blocks[0]
        x = model.stem((images - model.mean) / model.std)
        changes[options.init] = ((block(x) - x).std() / x.std()).item()
    assert changes["timm"] < 0.02
    assert changes["fan_in"] > 0.2
