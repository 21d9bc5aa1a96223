"""Laws that every family of encoders obeys."""

from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from mim4d.models.encoder.masked_encoder import MaskedEncoder
from mim4d.models.encoder.masking import draw_patch_mask, enlarge_mask
from tests.models.encoder.encoders import (
    ALL,
    FAMILIES,
    WITH_BATCH_NORM,
    batch,
    batch_norms,
    build,
    hidden_positions,
    perturbed,
    running,
    timm_twin,
)
from tests.reference.encoder import encode_efficientnet, encode_resnet, weighted_sum

# --- slow twins: every layer masked, norms and pooling on gathered visible positions -------------


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", *WITH_BATCH_NORM[1:]])
@pytest.mark.slow
def test_equals_its_slow_twin(name: str, mode: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    images = images.double().requires_grad_()
    encoder, other = (perturbed(name).double().train(mode == "train") for _ in range(2))
    twin: Any = encode_resnet if name.startswith("res") else encode_efficientnet
    features, expected = encoder(images, visible), twin(other, images, visible)
    for a, b in zip(features, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    for key, value in running(other).items():
        torch.testing.assert_close(running(encoder)[key], value, msg=key)
    ours = torch.autograd.grad(weighted_sum(features), [images, *encoder.parameters()])
    theirs = torch.autograd.grad(weighted_sum(expected), [images, *other.parameters()])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


# --- the mask ------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_hidden_cells_are_zero_and_their_pixels_change_nothing(
    name: str, training: bool, seed: torch.Generator
) -> None:
    images, visible = batch(seed)
    pixels = enlarge_mask(visible, 32)[:, None]
    changed = torch.where(pixels, images, 50 * torch.rand(images.shape, generator=seed))
    encoder = perturbed(name, drop_path_rate=0.2).train(training)
    start = running(encoder)

    def encode(inputs: Tensor, mask: Tensor | None) -> tuple[list[Tensor], dict[str, Tensor]]:
        encoder.load_state_dict(start, strict=False)
        torch.manual_seed(3)  # of drop path
        return encoder(inputs, mask), running(encoder)

    (before, statistics), (after, other) = encode(images, visible), encode(changed, visible)
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a, b)
        hidden = hidden_positions(visible, a)
        assert (a[hidden] == 0).all()
        assert (a[~hidden] != 0).float().mean() > 0.99
    assert all(torch.equal(statistics[key], other[key]) for key in statistics)
    # The other way round: without the mask the same change does reach the features.
    for a, b in zip(encode(images, None)[0], encode(changed, None)[0], strict=True):
        assert not torch.equal(a, b)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", [*ALL, "resnet50"])
@pytest.mark.slow
def test_dense_and_fully_visible_equal_timm(
    name: str, training: bool, seed: torch.Generator
) -> None:
    images = batch(seed)[0].double()
    # Once to the last stage of an EfficientNet, which is large.
    reaches_all = "efficientnet" not in name or (name == "efficientnet_b0" and not training)
    stages = (0, 1, 2, 3) if reaches_all else (0, 1)
    encoder = perturbed(name, out_stages=stages).double().train(training)
    with torch.device("meta"):
        twin = timm_twin(name)
    weights = {key: value.clone() for key, value in encoder.state_dict().items()}
    unknown = twin.load_state_dict(weights, strict=False, assign=True)
    assert all(key.startswith("out_norms.") for key in unknown.unexpected_keys)
    start = running(encoder)
    normalised = (images - encoder.mean) / encoder.std
    indices = range(len(twin.feature_info) - 4, len(twin.feature_info) - 4 + len(stages))
    expected = twin.train(training).forward_intermediates(
        normalised, indices=list(indices), stop_early=True, intermediates_only=True
    )
    for mask in (None, torch.ones(2, 2, 3, dtype=torch.bool)):
        encoder.load_state_dict(start, strict=False)
        for norm, want, got in zip(encoder.out_norms, expected, encoder(images, mask), strict=True):
            torch.testing.assert_close(got, norm(want), rtol=1e-7, atol=1e-7)
        for key, value in running(encoder).items():
            torch.testing.assert_close(value, twin.state_dict()[key], msg=key)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_image_without_any_visible_cell_is_harmless(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    images, visible[1] = images.double(), False
    encoder = perturbed(name).double()
    features = encoder(images, visible)
    weighted_sum(features).backward()
    for feature in features:
        assert feature.isfinite().all()
        assert not feature[1].any()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
    encoder.zero_grad()
    alone = encoder.eval()(images[:1], visible[:1])
    for feature, single in zip(encoder(images, visible), alone, strict=True):
        torch.testing.assert_close(feature[:1], single)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_of_two_is_two_batches_of_one_with_norms_in_eval(
    name: str, seed: torch.Generator
) -> None:
    images, visible = batch(seed)
    images, encoder = images.double(), perturbed(name, norm_eval=True).double().train()
    start = running(encoder)
    ones = [encoder(images[k : k + 1], visible[k : k + 1]) for k in range(2)]
    for level, both in enumerate(encoder(images, visible)):
        alone = torch.cat([features[level] for features in ones])
        torch.testing.assert_close(both, alone)
    assert all(torch.equal(value, start[key]) for key, value in running(encoder).items())


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_half_precision_keeps_zeros_exact(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = perturbed(name).eval()
    exact = encoder(images, visible)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encoder(images, visible)
    for feature in features:
        assert (feature[hidden_positions(visible, feature)] == 0).all()
    # Eight bits of mantissa through the layers of the first stage.
    assert (features[0].float() - exact[0]).square().mean() < 0.1**2 * exact[0].square().mean()


@pytest.mark.parametrize("name", FAMILIES)
def test_mask_tokens_fill_hidden_cells_and_no_others(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = perturbed(name, mask_token=True, out_stages=(0, 1)).eval()
    plain = deepcopy(encoder)
    plain.mask_tokens = nn.ParameterList()
    for token, with_token, without in zip(
        encoder.mask_tokens, encoder(images, visible), plain(images, visible), strict=True
    ):
        hidden = hidden_positions(visible, without)
        assert torch.equal(with_token[~hidden], without[~hidden])
        assert torch.equal(with_token[hidden], token.expand_as(with_token)[hidden])


# --- stages, freezing, gradients -----------------------------------------------------------------


@pytest.mark.parametrize("name", [*FAMILIES, "resnet50"])
def test_stages_have_strides_4_to_32(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = perturbed(name, out_stages=(0, 1, 2, 3)).eval()
    assert encoder.strides == (4, 8, 16, 32)
    for features in (encoder(images, visible), encoder(images)):
        shapes = [
            (2, c, 64 // s, 96 // s) for c, s in zip(encoder.channels, encoder.strides, strict=True)
        ]
        assert [feature.shape for feature in features] == shapes
    some = build(name, out_stages=(1, 2))
    assert some.channels == encoder.channels[1:3]
    assert some.strides == (8, 16)
    assert len(list(some.parameters())) < len(list(encoder.parameters()))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("frozen_stages", [0, 1])
def test_trainable_parameters_get_gradients_and_frozen_parts_stay(
    name: str, frozen_stages: int, seed: torch.Generator
) -> None:
    images, visible = batch(seed)
    encoder = perturbed(name, frozen_stages=frozen_stages).eval().train()
    start = running(encoder)
    weighted_sum(encoder(images, visible)).backward()
    frozen = [p for p in encoder.parameters() if not p.requires_grad]
    assert bool(frozen) == bool(frozen_stages)
    for key, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert parameter.grad.any(), key
        else:
            assert parameter.grad is None
    parts = encoder._parts()
    still = set(chain.from_iterable(part.modules() for group in parts[:2] for part in group))
    for norm in batch_norms(encoder):
        assert norm.training is not (norm in still and frozen_stages > 0)
    moved = {key for key, value in running(encoder).items() if not torch.equal(value, start[key])}
    assert len(moved) == 3 * sum(norm.training for norm in batch_norms(encoder))


# --- activation checkpointing --------------------------------------------------------------------


def step(encoder: MaskedEncoder, images: Tensor, visible: Tensor | None) -> Any:
    """All that a training step leaves behind."""
    torch.manual_seed(5)  # of drop path
    features = encoder.train()(images, visible)
    weighted_sum(features).backward()
    gradients = {key: p.grad for key, p in encoder.named_parameters()}
    return features, gradients, running(encoder)


def bytes_of_stages(encoder: MaskedEncoder, images: Tensor, visible: Tensor | None) -> int:
    """Bytes that the stages keep for the backward pass, weights aside."""
    weights = {parameter.data_ptr() for parameter in encoder.parameters()}

    def kept_by(run: Callable[[], object]) -> int:
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            result = run()  # held, so that no address is used twice
        del result
        return sum(kept.values())

    return kept_by(lambda: encoder(images, visible)) - kept_by(
        lambda: encoder._run_stem(images, visible)
    )


@pytest.mark.parametrize("is_masked", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_checkpointing_changes_memory_alone(
    name: str, is_masked: bool, seed: torch.Generator
) -> None:
    images, visible = batch(seed)
    mask = visible if is_masked else None
    plain = perturbed(name, drop_path_rate=0.4)
    encoder = perturbed(name, drop_path_rate=0.4, checkpoint_stages=4)
    first = perturbed(name, drop_path_rate=0.4, checkpoint_stages=1)
    fewer, some, many = (
        bytes_of_stages(deepcopy(e), images, mask) for e in (encoder, first, plain)
    )
    features, gradients, statistics = step(plain, images, mask)
    for checkpointed in (encoder, first):
        again, same_gradients, same_statistics = step(checkpointed, images, mask)
        for a, b in zip(features, again, strict=True):
            assert torch.equal(a, b)
        for key, gradient in gradients.items():
            other = same_gradients[key]
            assert (gradient is None and other is None) or torch.equal(gradient, other), key
        for key, value in statistics.items():
            assert torch.equal(value, same_statistics[key]), key
    assert fewer < 0.6 * many
    assert fewer < some < many


def test_checkpointing_repeats_renormalised_values(seed: torch.Generator) -> None:
    """Running statistics have followed when a block is computed again; its values must not."""
    images, visible = batch(seed)
    results = []
    for checkpointed in (0, 4):
        encoder = perturbed("resnet18", renormalise_after=0, checkpoint_stages=checkpointed)
        step(encoder, images, visible)
        results.append(step(encoder, images / 2, visible))
    (features, gradients, statistics), (again, same_gradients, same_statistics) = results
    for a, b in zip(features, again, strict=True):
        assert torch.equal(a, b)
    for key, gradient in gradients.items():
        assert gradient is not None
        assert torch.equal(gradient, same_gradients[key]), key
    for key, value in statistics.items():
        assert torch.equal(value, same_statistics[key]), key


def test_drop_path_does_drop_under_checkpointing(seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = perturbed("resnet18", drop_path_rate=0.9, checkpoint_stages=4).train()
    torch.manual_seed(0)
    first, second = (encoder(images, visible)[-1] for _ in range(2))
    assert not torch.equal(first, second)


# --- start and refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_fan_in_starts_no_residual_branch_at_zero(name: str) -> None:
    last = {"resnet18": "bn2", "resnext50_32x4d": "bn3"}[name]

    def scales(encoder: nn.Module) -> set[float]:
        found: list[Tensor] = [
            p for key, p in encoder.named_parameters() if key.endswith(f".{last}.weight")
        ]
        return set(torch.cat(found).tolist())

    assert scales(build(name, init="timm")) == {0.0}
    assert scales(build(name, init="fan_in")) == {1.0}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet19", "resnet18"),
        ("resnet50d", "resnet50"),
        ("resnet50_gn", "resnet50"),
        ("efficientnet_b0_gn", "efficientnet_b0"),
        ("tf_efficientnet_es", "tf_efficientnet_l2"),
        ("tf_efficientnetv2_b0", "tf_efficientnet_b0"),
        ("convnextv2_atto", "convnext_atto"),
    ],
)
def test_other_models_are_refused_with_the_nearest_names(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"{name}' is not supported.*did you mean.*{near}"):
        build(name)


def test_shapes_that_do_not_fit_are_refused() -> None:
    encoder = build("resnet18", out_stages=(1, 2, 3))
    with pytest.raises(ValueError, match=r"multiples of the stride 32, got 60 x 96"):
        encoder(torch.rand(1, 3, 60, 96))
    with pytest.raises(ValueError, match="16 pixels are no multiple"):
        encoder(torch.rand(1, 3, 64, 96), torch.ones(1, 4, 6, dtype=torch.bool))
    with pytest.raises(ValueError, match="2 x 2 cells do not cut"):
        encoder(torch.rand(1, 3, 64, 96), torch.ones(1, 2, 2, dtype=torch.bool))


def test_small_patches_suit_an_encoder_of_small_stride(seed: torch.Generator) -> None:
    images = torch.rand(1, 3, 32, 48, generator=seed)
    visible = draw_patch_mask((1,), (4, 6), 0.5, seed)
    for name in FAMILIES:
        (feature,) = perturbed(name, out_stages=(1,))(images, visible)
        assert feature.shape[-2:] == (4, 6)
        assert torch.equal(feature[0].abs().sum(dim=0) > 0, visible[0])
