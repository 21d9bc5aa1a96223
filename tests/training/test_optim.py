"""Learning rate by step and parameter groups."""

import pytest

from mim4d.config import OptimConfig
from mim4d.training.optim import build_optimizer, lr_factor
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
