"""Steps that teach the depth head alone, between whole ones."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mim4d.build.data import build_dataset
from mim4d.config import PretrainConfig
from mim4d.data.augment.clip_augmentation import ClipRequest
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.draw import draw_cells
from mim4d.training.estimate import describe, estimate_cost
from mim4d.training.modules import PretrainingModule
from mim4d.training.sampling import StepShape
from tests.toy import toy_clip, toy_config, toy_draw, toy_model

_OF_DEPTHS = ("encoder.image_encoder", "encoder.neck", "encoder.depth_head")


def _config(share: float) -> PretrainConfig:
    config = toy_config()
    loss = replace(config.loss, depth_weight=2.0, depth_alone_share=share)
    return replace(config, loss=loss, optim=replace(config.optim, steps=10))


def _module(share: float) -> PretrainingModule:
    config = _config(share)
    return PretrainingModule(toy_model(config), config)


@pytest.mark.parametrize(("share", "alone"), [(0.0, []), (0.4, [2, 4, 7, 9]), (1.0, [*range(10)])])
def test_such_steps_are_spread_evenly(share: float, alone: list[int]) -> None:
    kinds = [_module(share).kind_of(step) for step in range(10)]
    assert [step for step, kind in enumerate(kinds) if kind.key_alone] == alone
    for kind in kinds:
        assert kind.shape == StepShape(3 if kind.key_alone else 1), "as many images"


@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3, 0.4, 0.7])
def test_they_are_as_many_as_was_asked_for(share: float) -> None:
    config = _config(share)
    config = replace(config, optim=replace(config.optim, steps=1000))
    alone = sum(config.loss.teaches_depth_alone(step) for step in range(1000))
    assert alone == config.depth_alone_steps
    assert abs(alone - 1000 * share) < 1
    assert not config.loss.teaches_depth_alone(0)


def test_a_run_says_that_it_has_them() -> None:
    said = "; 3 of the steps teach depth alone, from single frames"
    assert describe(_config(0.3), toy_clip(0), 5).endswith(f"from LiDAR{said}")
    assert describe(_config(0.0), toy_clip(0), 5).endswith("from LiDAR")


def test_only_what_leads_to_depths_learns() -> None:
    module = _module(0.5)
    batch = collate([toy_clip(seed, frames=1) for seed in range(3)])
    losses = module.step_losses(batch, step=3)
    assert set(losses) == {"loss", "depth_alone"}
    assert losses["loss"] == 2 * losses["depth_alone"]
    losses["loss"].backward()
    learns = {
        ".".join(name.split(".")[:2])
        for name, parameter in module.model.named_parameters()
        if parameter.grad is not None
    }
    assert learns == set(_OF_DEPTHS)


def test_the_sum_of_such_a_step_is_not_noted_among_those_of_whole_ones() -> None:
    batch = collate([toy_clip(seed, frames=1) for seed in range(3)])
    for share, noted in ((0.5, {"depth_alone"}), (1.0, {"loss", "depth_alone"})):
        module = _module(share)
        assert set(module.noted(module.step_losses(batch, step=3))) == noted


def test_in_whole_steps_and_in_validation_everything_is_rebuilt() -> None:
    module, clip = _module(0.5), toy_clip(0)
    assert "predicted_colour" in module.step_losses(clip, step=4)
    assert "predicted_colour" in module.eval().step_losses(clip, step=3)


def test_it_draws_what_a_whole_step_would_but_no_rays() -> None:
    config = toy_config()
    model, clip = toy_model(config), collate([toy_clip(seed, frames=1) for seed in range(2)])
    choices, targets = toy_draw(model, clip)
    generators = [torch.Generator().manual_seed(i) for i in range(clip.batch_size)]
    visible, cells = draw_cells(model, clip, generators)
    assert torch.equal(visible, choices.visible)
    assert cells.valid.any()
    assert torch.equal(cells.depths, targets.cells.depths)
    assert torch.equal(cells.valid, targets.cells.valid)
    assert torch.equal(cells.ground_depths, targets.cells.ground_depths)


def test_depths_are_those_that_the_whole_model_lifts_by() -> None:
    config = toy_config()
    model, clip = toy_model(config).eval(), toy_clip(1)
    choices, _ = toy_draw(model, clip)
    whole = model(clip, choices).depth_probs
    torch.testing.assert_close(model.depths(clip, choices.visible), whole, rtol=0, atol=0)


def test_a_key_frame_alone_is_that_of_the_whole_clip(data: Path) -> None:
    config = toy_config()
    dataset = build_dataset(config, data, "train")
    whole = dataset[ClipRequest(1, seed=5)]
    alone = dataset[ClipRequest(1, seed=5, key_alone=True)]
    key = whole.key
    assert (alone.num_frames, alone.key) == (1, 0)
    assert alone.key_tokens == whole.key_tokens
    assert torch.equal(alone.images[:, 0], whole.images[:, key])
    assert torch.equal(alone.intrinsics[:, 0], whole.intrinsics[:, key])
    torch.testing.assert_close(alone.ref_from_camera[:, 0], whole.ref_from_camera[:, key])
    points, own = whole.points_ref[:, key], alone.points_ref[:, 0]
    torch.testing.assert_close(
        own[alone.valid_points[:, 0]], points[whole.valid_points[:, key]], rtol=0, atol=1e-5
    )


def test_the_estimate_weighs_both_kinds(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of 1 s and seven of 3 s."""
    module = _module(0.3)
    clock = [0.0]
    original = PretrainingModule.step_losses

    def step_losses(
        self: PretrainingModule, clip: Clip, step: int, places: range | None = None
    ) -> dict[str, torch.Tensor]:
        clock[0] += 1.0 if self.config.loss.teaches_depth_alone(step) else 3.0
        return original(self, clip, step, places)

    monkeypatch.setattr(PretrainingModule, "step_losses", step_losses)
    monkeypatch.setattr("mim4d.training.estimate.time.perf_counter", lambda: clock[0])
    estimate, _ = estimate_cost(module, build_dataset(module.config, data, "train"), "cpu")
    assert estimate.step_s == pytest.approx(2.4)
    assert estimate.load.step_s == pytest.approx(1.0)
