"""What LiDAR says about the SDF along its rays, as losses of both renderings."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from mim4d.config import ClipConfig, LossConfig, PretrainConfig
from mim4d.models.volume_conv import VolumeConv
from tests.toy import toy_clip, toy_config, toy_draw, toy_model, toy_objective

NAMES = ("free_space", "near_surface")
NOTHING = LossConfig(colour_weight=0.0, distance_weight=0.0)


def _weighted(name: str, **options: Any) -> LossConfig:
    """One loss alone, of weight 2."""
    return replace(NOTHING, **{f"{name}_weight": 2.0, **options})


@pytest.mark.parametrize("name", NAMES)
def test_they_teach_the_field_through_both_renderings(name: str) -> None:
    model, clip = toy_model(toy_config()), toy_clip(1)
    choices, targets = toy_draw(model, clip)
    loss = _weighted(name)
    losses = toy_objective(model, loss)(model(clip, choices), targets, clip)
    assert losses[name] > 0
    assert losses[f"predicted_{name}"] > 0
    torch.testing.assert_close(losses["loss"], 2 * (losses[name] + losses[f"predicted_{name}"]))
    fields = dict(model.renderer.field.named_parameters())
    for value in (losses[name], losses[f"predicted_{name}"]):
        gradients = torch.autograd.grad(
            value, list(fields.values()), retain_graph=True, allow_unused=True
        )
        assert any(g is not None and g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize("name", ["log_distance", "termination", "near_surface"])
def test_what_lidar_says_of_a_ray_teaches_both_renderings_and_wants_a_lidar(name: str) -> None:
    model, clip = toy_model(toy_config()), toy_clip(1)
    choices, targets = toy_draw(model, clip)
    loss = _weighted(name, near_surface_along="normal")
    losses = toy_objective(model, loss)(model(clip, choices), targets, clip)
    torch.testing.assert_close(losses["loss"], 2 * (losses[name] + losses[f"predicted_{name}"]))
    convolution, sharpness = model.encoder.volume_conv, model.renderer.field.sharpness_exponent
    assert isinstance(convolution, VolumeConv)
    for value in (losses[name], losses[f"predicted_{name}"]):
        voxels = torch.autograd.grad(
            value,
            [convolution.conv.weight, sharpness],
            retain_graph=True,
            allow_unused=True,
        )[0]
        assert voxels.abs().sum() > 0
    with pytest.raises(ValueError, match=rf"clip\.lidar: .*needed by .*loss\.{name}_weight"):
        PretrainConfig(preset="toy", clip=ClipConfig(lidar=None), loss=loss)


def test_they_are_zero_for_the_true_sdf_and_left_out_by_default() -> None:
    model, clip = toy_model(toy_config()), toy_clip(2)
    choices, targets = toy_draw(model, clip)
    out = model(clip, choices)
    assert not set(NAMES) & set(toy_objective(model, LossConfig())(out, targets, clip))
    to_surface = targets.rays.distances.unsqueeze(-1) - out.direct.sample_distances
    loss = replace(NOTHING, free_space_weight=1.0, near_surface_weight=1.0)
    true = replace(out, direct=replace(out.direct, sdf=to_surface))
    losses = toy_objective(model, loss)(true, targets, clip)
    assert losses["free_space"] == losses["near_surface"] == 0
    behind = replace(out, direct=replace(out.direct, sdf=to_surface - 0.25))
    shifted = toy_objective(model, loss)(behind, targets, clip)
    assert shifted["near_surface"].item() == pytest.approx(0.25, rel=1e-4)


def test_a_distance_cut_off_at_the_exit_of_the_box_is_no_surface() -> None:
    """That a ray crosses the whole grid says that it is free, not that it ends in a wall."""
    model, clip = toy_model(toy_config()), toy_clip(3)
    choices, targets = toy_draw(model, clip)
    far = torch.where(targets.rays.valid_distances, choices.rays.far, 0.0)
    through = replace(targets, rays=replace(targets.rays, distances=far))
    loss = replace(NOTHING, free_space_weight=1.0, near_surface_weight=1.0)
    losses = toy_objective(model, loss)(model(clip, choices), through, clip)
    assert losses["near_surface"] == losses["predicted_near_surface"] == 0
    assert losses["free_space"] > 0


def test_without_a_measurement_they_are_zero() -> None:
    model, clip = toy_model(toy_config()), toy_clip(4)
    choices, targets = toy_draw(model, clip)
    unmeasured = torch.zeros_like(targets.rays.valid_distances)
    blind = replace(targets, rays=replace(targets.rays, valid_distances=unmeasured))
    loss = replace(NOTHING, free_space_weight=1.0, near_surface_weight=1.0)
    losses = toy_objective(model, loss)(model(clip, choices), blind, clip)
    assert losses["loss"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_they_want_a_lidar_and_a_length(name: str) -> None:
    loss = _weighted(name)
    with pytest.raises(ValueError, match=rf"clip\.lidar: .*needed by .*loss\.{name}_weight"):
        PretrainConfig(preset="toy", clip=ClipConfig(lidar=None), loss=loss)
    with pytest.raises(ValueError, match=rf"loss\.{name}_truncation_m: expected a positive"):
        _weighted(name, **{f"{name}_truncation_m": 0.0})
