"""Scene flow inside the model: what is rebuilt from it, what teaches it, what stays the same."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from mim4d.config import FlowConfig, LossConfig, PretrainConfig
from mim4d.data.clip import collate
from mim4d.temporal.baselines import MeanFrame
from tests.toy import toy_clip, toy_config, toy_draw, toy_model, toy_objective

RENDERED = LossConfig(predicted_weight=0.0, flow_render_weight=1.0)


def _with_flow(frames: int = 3) -> PretrainConfig:
    return replace(toy_config(frames), flow=FlowConfig(enabled=True))


def test_without_the_flow_all_other_weights_start_alike() -> None:
    plain, with_flow = (toy_model(c).state_dict() for c in (toy_config(), _with_flow()))
    assert set(with_flow) - set(plain) == {"scene_flow.describe.weight"}
    assert all(torch.equal(with_flow[name], value) for name, value in plain.items())


@pytest.mark.slow
def test_rebuilding_starts_from_the_mean_of_what_has_no_motion_left() -> None:
    model, clip = toy_model(_with_flow()).eval(), toy_clip(1)
    rebuilt = model.rebuild(model.encoder.encode(clip), clip, torch.tensor([[1]]))
    assert rebuilt.scene_flow is not None
    assert rebuilt.flow_mean is not None
    assert rebuilt.scene_flow.norm(dim=1).max() > 0.05  # something is matched in random pictures
    # The learned part is zero at first.
    torch.testing.assert_close(rebuilt.volume, rebuilt.flow_mean)


def test_where_nothing_moves_the_flow_changes_nothing() -> None:
    config = _with_flow()
    still = toy_model(replace(config, flow=FlowConfig(enabled=True, static_prior=1e3))).eval()
    plain, clip = toy_model(toy_config()).eval(), toy_clip(1)
    dropped = torch.tensor([[1]])
    expected = plain.rebuild(plain.encoder.encode(clip), clip, dropped)
    found = still.rebuild(still.encoder.encode(clip), clip, dropped)
    assert expected.scene_flow is None
    assert expected.flow_mean is None
    assert found.scene_flow is not None
    assert found.scene_flow.abs().max() < 1e-6
    torch.testing.assert_close(found.volume, expected.volume, atol=1e-4, rtol=1e-4)


def test_a_decoder_that_averages_gives_the_mean_without_motion() -> None:
    model, clip = toy_model(_with_flow()).eval(), toy_clip(2)
    model.decoder = MeanFrame()
    rebuilt = model.rebuild(model.encoder.encode(clip), clip, torch.tensor([[1]]))
    assert rebuilt.flow_mean is not None
    assert torch.equal(rebuilt.volume, rebuilt.flow_mean)


def test_the_rendered_mean_alone_teaches_the_descriptors() -> None:
    model, clip = toy_model(_with_flow()), toy_clip(0)
    choices, targets = toy_draw(model, clip)
    losses = toy_objective(model, RENDERED)(model(clip, choices), targets, clip)
    assert {"flow_colour", "flow_distance"} <= set(losses)
    losses["loss"].backward()
    assert model.scene_flow is not None
    gradient = model.scene_flow.describe.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_its_losses_are_weighted_sums() -> None:
    model, clip = toy_model(_with_flow()).eval(), collate([toy_clip(0), toy_clip(1)])
    choices, targets = toy_draw(model, clip)
    reconstruction = model(clip, choices)

    def total(loss: LossConfig) -> float:
        return toy_objective(model, loss)(reconstruction, targets, clip)["loss"].item()

    nothing = LossConfig(0.0, 0.0, predicted_weight=0.0)
    terms: dict[str, Any] = {"flow_static_weight": 2.0, "flow_smoothness_weight": 3.0}
    alone = [total(replace(nothing, **{name: weight})) for name, weight in terms.items()]
    assert min(alone) > 0
    assert total(replace(nothing, **terms)) == pytest.approx(sum(alone), rel=1e-5)


def test_one_source_tells_no_flow() -> None:
    model, clip = toy_model(_with_flow(2)).eval(), toy_clip(0, frames=2)
    rebuilt = model.rebuild(model.encoder.encode(clip), clip, torch.tensor([[0]]))
    assert rebuilt.scene_flow is not None
    assert torch.equal(rebuilt.scene_flow, torch.zeros_like(rebuilt.scene_flow))
