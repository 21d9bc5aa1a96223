"""The losses of a batch: the mean of those of its clips, values and gradients."""

from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from mim4d.config.presets import preset
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.draw import draw_step
from mim4d.tensors.records import join
from mim4d.training.modules import PretrainingModule
from tests.toy import toy_clip, toy_config, toy_model


def _module() -> PretrainingModule:
    config = toy_config()
    loss = replace(
        preset("demo_no_lidar").loss,
        distance_weight=0.195,
        relative_distance_weight=1.0,
        eikonal_weight=0.1,
        depth_weight=1.0,
    )
    config = replace(config, loss=loss)
    return PretrainingModule(toy_model(config), config)


def _clips() -> list[Clip]:
    """The second has fewer points than the first, and in one frame none."""
    few = toy_clip(2)
    few = replace(
        few, points_ref=few.points_ref[:, :, :90], valid_points=few.valid_points[:, :, :90]
    )
    few.valid_points[:, 0] = False
    return [toy_clip(1), few]


def _step(module: PretrainingModule, clip: Clip, places: range) -> tuple[dict[str, Tensor], Tensor]:
    module.zero_grad()
    losses = module.step_losses(clip, step=5, places=places)
    losses["loss"].backward()
    gradient = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
    return losses, gradient


def test_a_batch_of_two_gives_the_mean_of_two_batches_of_one() -> None:
    module, clips = _module(), _clips()
    (first, g1), (second, g2) = (_step(module, c, range(i, i + 1)) for i, c in enumerate(clips))
    both, gradient = _step(module, collate(clips), range(2))
    assert set(both) == set(first)
    for name, value in both.items():
        assert value.item() == pytest.approx((first[name] + second[name]).item() / 2, rel=1e-4)
    scale = gradient.abs().max()
    torch.testing.assert_close(gradient / scale, (g1 + g2) / 2 / scale, rtol=0, atol=1e-4)


def test_what_is_drawn_for_a_clip_depends_on_its_own_generator_alone() -> None:
    model, clips = toy_model(toy_config()), _clips()
    generators = [[torch.Generator().manual_seed(s) for s in (3, 4)] for _ in range(2)]
    # Fewer points than either clip has.
    model.sampling = replace(model.sampling, lidar_points=50)
    together = draw_step(model, collate(clips), generators[0])
    alone = [draw_step(model, c, [g]) for c, g in zip(clips, generators[1], strict=True)]
    pairs: Any = zip(together, zip(*alone, strict=True), strict=True)
    for both, single in pairs:
        torch.testing.assert_close(asdict(both), asdict(join(single)), rtol=0, atol=0)
