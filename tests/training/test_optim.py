"""Learning rate by step and parameter groups."""

from dataclasses import replace

import pytest

from mim4d.config import OptimConfig
from mim4d.training.optim import build_optimizer, lr_factor, peak_lr
from tests.toy import toy_config, toy_model


def test_lr_factor_by_hand() -> None:
    config = OptimConfig(steps=110, warmup_steps=9, final_lr_factor=0.0)
    assert lr_factor(0, config) == pytest.approx(0.1)
    assert lr_factor(8, config) == pytest.approx(0.9)
    assert lr_factor(9, config) == pytest.approx(1.0)
    assert lr_factor(9 + 50, config) == pytest.approx(0.5, abs=0.02)
    assert lr_factor(110, config) == pytest.approx(0.0, abs=1e-9)


def test_every_trainable_parameter_is_in_one_group_with_its_own_rate_and_decay() -> None:
    model = toy_model(toy_config())
    backbone = model.encoder.image_encoder
    config = OptimConfig(lr=1e-3, backbone_lr_factor=0.1, weight_decay=0.05)
    optimizer, _ = build_optimizer(model, backbone, config)
    groups = {
        id(p): (group["initial_lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    of_backbone = {id(p) for p in backbone.parameters()}
    assert len(groups) == sum(1 for p in model.parameters() if p.requires_grad)
    for parameter in model.parameters():
        lr, decay = groups[id(parameter)]
        assert lr == pytest.approx(1e-4 if id(parameter) in of_backbone else 1e-3)
        assert decay == (0.05 if parameter.ndim > 1 else 0.0)


def test_the_learning_rate_is_scaled_only_if_it_is_told_for_how_many_clips() -> None:
    """4e-4 for 8 clips a step is 1e-4 for 2."""
    assert peak_lr(OptimConfig(lr=4e-4), 2) == 4e-4
    assert peak_lr(OptimConfig(lr=4e-4, lr_clips=8), 2) == pytest.approx(1e-4)


def test_rates_of_all_groups_by_hand_at_several_steps() -> None:
    """Warm-up over 4 steps in fifths, then half of the cosine at step 4 + 8."""
    model = toy_model(toy_config())
    config = OptimConfig(
        steps=20, warmup_steps=4, lr=1.0, lr_clips=1, backbone_lr_factor=0.1, final_lr_factor=0.2
    )
    optimizer, schedule = build_optimizer(model, model.encoder.image_encoder, config, 2)
    rates = []
    for _ in range(21):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    for step, expected in {0: 0.4, 1: 0.8, 3: 1.6, 4: 2.0, 12: 1.2, 20: 0.4}.items():
        assert rates[step] == pytest.approx([expected / 10] * 2 + [expected] * 2), step


def test_frozen_stages_are_in_no_group() -> None:
    config = toy_config()
    config = replace(config, encoder=replace(config.encoder, frozen_stages=2))
    model = toy_model(config)
    optimizer, _ = build_optimizer(model, model.encoder.image_encoder, config.optim)
    members = {id(p) for group in optimizer.param_groups for p in group["params"]}
    frozen = [p for p in model.parameters() if not p.requires_grad]
    assert frozen
    assert not members & {id(p) for p in frozen}


def test_what_came_from_another_run_learns_at_its_own_rate() -> None:
    """A tenth; the backbone at half of that; what is new at the full rate."""
    model = toy_model(toy_config())
    came = [*model.encoder.parameters()][:-1]
    config = OptimConfig(lr=1.0, backbone_lr_factor=0.5, weight_decay=0.0)
    optimizer, _ = build_optimizer(model, model.encoder.image_encoder, config, 1, came, 0.1)
    groups = optimizer.param_groups
    rates = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    of_backbone = {id(p) for p in model.encoder.image_encoder.parameters()}
    for p in came:
        assert rates[id(p)] == pytest.approx(0.05 if id(p) in of_backbone else 0.1)
    new = [p for p in model.parameters() if id(p) not in {id(q) for q in came}]
    assert [rates[id(p)] for p in new] == [1.0] * len(new)
