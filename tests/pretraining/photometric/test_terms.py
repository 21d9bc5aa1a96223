"""The photometric terms inside a step: whose rays, which frames, what they teach; bad input."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.config import LossConfig, PhotometricConfig, PretrainConfig
from mim4d.config.presets import preset
from mim4d.data.clip import Clip, collate
from mim4d.geometry.rigid import apply_linear
from mim4d.models.depth_head import DepthBins
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.objective import Objective, photometric_options
from mim4d.pretraining.photometric.terms import (
    RayEvidence,
    cell_smoothness,
    gather_evidence,
    images_of_frames,
)
from mim4d.pretraining.photometric.views import clip_views
from tests.toy import toy_clip, toy_config, toy_draw, toy_model, toy_objective

BINS = DepthBins(12, 1.0, 45.0)
TERMS = ("photometric", "sweep", "sweep_distance")


def _config() -> PretrainConfig:
    free = preset("demo_no_lidar").loss
    return replace(toy_config(), loss=free, photometric=PhotometricConfig(downscale=1))


LOSS = LossConfig(
    distance_weight=0.0,
    photometric_weight=1.0,
    sweep_weight=2.0,
    sweep_distance_weight=0.5,
    depth_sweep_weight=3.0,
    smoothness_weight=0.1,
)


def _model() -> MaskedVideoModel:
    return toy_model(_config())


def _objective(model: MaskedVideoModel) -> Objective:
    return toy_objective(model, LOSS, _config().photometric)


def _losses(model: MaskedVideoModel, clip: Clip, seed: int = 0) -> dict[str, Tensor]:
    choices, targets = toy_draw(model, clip, seed)
    return _objective(model)(model(clip, choices), targets, clip)


def _evidence(model: MaskedVideoModel, clip: Clip) -> RayEvidence:
    _, targets = toy_draw(model, clip)
    options = photometric_options(_config().photometric)
    return gather_evidence(clip, targets.rays, options, BINS, sweep_planes=True)


def test_every_term_is_there_and_teaches() -> None:
    model, clip = _model(), toy_clip(0)
    losses = _losses(model, clip)
    assert {f"predicted_{name}" for name in TERMS} | set(TERMS) <= set(losses)
    for name in (*TERMS, "depth_sweep", "smoothness"):
        assert losses[name] > 0
        heads = {
            "render": model.renderer.field.parameters(),
            "depth": model.encoder.depth_head.parameters(),
        }
        head = heads["render" if name in TERMS else "depth"]
        gradients = torch.autograd.grad(
            losses[name], list(head), retain_graph=True, allow_unused=True
        )
        assert any(g is not None and g.abs().sum() > 0 for g in gradients), name
    of_rays = {"colour": 10.0, "photometric": 1.0, "sweep": 2.0, "sweep_distance": 0.5}
    summed = 3.0 * losses["depth_sweep"] + 0.1 * losses["smoothness"]
    for name, weight in of_rays.items():
        summed = summed + weight * (losses[name] + losses[f"predicted_{name}"])
    torch.testing.assert_close(losses["loss"], summed)


def test_depth_along_the_ray() -> None:
    model, clip = _model(), toy_clip(0)
    evidence = _evidence(model, clip)
    homogeneous = torch.nn.functional.pad(evidence.pixels, (0, 1), value=1.0)
    directions = apply_linear(torch.linalg.inv(evidence.views.intrinsics), homogeneous)
    along = torch.nn.functional.normalize(directions, dim=-1)
    torch.testing.assert_close(along[..., 2], evidence.depth_per_m)


def test_pixels_belong_to_their_images() -> None:
    """Colours looked up at the rays' pixels are the colours that the rays should see."""
    model, clip = _model(), toy_clip(0)
    _, targets = toy_draw(model, clip)
    evidence = _evidence(model, clip)
    column, row = evidence.pixels.floor().long().unbind(-1)
    images = torch.arange(9)[:, None]
    seen = evidence.views.rgba[images, :3, row, column]
    torch.testing.assert_close(seen, targets.rays.colours.reshape(9, -1, 3))


def test_images_of_frames() -> None:
    clip = collate([toy_clip(0), toy_clip(1)])
    rows = images_of_frames(clip, torch.tensor([[1], [2]]))
    assert rows.tolist() == [3, 4, 5, 15, 16, 17]


def test_a_constant_depth_is_smooth() -> None:
    clip = toy_clip(0)
    probs = torch.zeros(1, 3, 3, 12, 8, 12)
    probs[:, :, :, 4] = 1
    assert cell_smoothness(probs, clip_views(clip), BINS).item() == pytest.approx(0, abs=1e-6)
    probs[..., 4, 3, 5], probs[..., 1, 3, 5] = 0, 1
    assert cell_smoothness(probs, clip_views(clip), BINS) > 0.01


def test_without_photometric_weights_no_image_is_compared() -> None:
    assert not preset("demo").loss.compares_images
    assert not LossConfig(smoothness_weight=1.0).compares_images
    model, clip = _model(), toy_clip(0)
    choices, targets = toy_draw(model, clip)
    losses = toy_objective(model, LossConfig())(model(clip, choices), targets, clip)
    assert not {*TERMS, "depth_sweep"} & set(losses)


def test_a_single_image_has_nothing_to_be_compared_with() -> None:
    model = toy_model(replace(_config(), clip=toy_config(1).clip))
    with pytest.raises(ValueError, match=r"clip\.frames"):
        _losses(model, toy_clip(0, frames=1, cameras=1))
    config = toy_config(1)
    with pytest.raises(ValueError, match=r"loss\.photometric_weight"):
        replace(
            config,
            clip=replace(config.clip, cameras=("CAM_FRONT",)),
            loss=LossConfig(photometric_weight=1.0),
        )


def test_single_frames_of_overlapping_cameras_are_compared() -> None:
    model = toy_model(replace(_config(), clip=toy_config(1).clip))
    losses = _losses(model, toy_clip(0, frames=1, cameras=6))
    assert torch.isfinite(losses["loss"])
    assert losses["depth_sweep"] > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sources", 0),
        ("downscale", 0),
        ("patch_side", 4),
        ("patch_side", 1),
        ("patch_step_px", 0.0),
        ("sweep_depths", 1),
        ("temperature", 0.0),
    ],
)
def test_options_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"photometric\.{name}"):
        PhotometricConfig(**{name: value})  # type: ignore[arg-type]


def test_direct_volumes_of_dropped_frames_alone_meet_their_own_evidence() -> None:
    """The same renderings, given as direct and as rebuilt, have the same terms."""
    config = _config()
    config = replace(config, render=replace(config.render, direct_frames="dropped"))
    model, clip = toy_model(config), collate([toy_clip(0), toy_clip(1)])
    choices, targets = toy_draw(model, clip, seed=3)
    out = model(clip, choices)
    assert len(out.direct.distances) == 2
    out = replace(out, predicted=out.direct)
    losses = _objective(model)(out, targets, clip)
    for name in ("colour", *TERMS):
        torch.testing.assert_close(losses[name], losses[f"predicted_{name}"])
