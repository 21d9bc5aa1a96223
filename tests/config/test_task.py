"""Configurations of tasks: trunks that weights fit, JSON of both kinds, refused values."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.build.data import build_bare_dataset
from mim4d.config import CellsHeadConfig, TaskConfig, TrunkConfig
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.config.presets import PRESETS, TASK_PRESETS, preset, task_preset
from mim4d.errors import DataError


@pytest.mark.parametrize("name", [name for name in TASK_PRESETS if name in PRESETS])
def test_the_trunk_is_that_of_the_pretraining(name: str) -> None:
    task, run = task_preset(name, "vehicles"), PRESETS[name]()
    for field in fields(TrunkConfig):
        if field.name != "clip":
            assert getattr(task, field.name) == getattr(run, field.name), field.name
    assert task.clip == replace(run.clip, frames=1, key=0)
    assert task.task == "vehicles"


def test_both_kinds_come_back_from_json() -> None:
    task, run = task_preset("demo", "vehicles"), preset("demo")
    assert config_from_json(config_to_json(task), "x", TaskConfig) == task
    assert config_from_json(config_to_json(run), "x") == run


def test_one_kind_is_not_read_as_the_other() -> None:
    task, run = config_to_json(task_preset("toy", "vehicles")), config_to_json(preset("toy"))
    with pytest.raises(
        ValueError, match=r"c\.json: configures the task 'vehicles'.*mim4d finetune"
    ):
        config_from_json(task, "c.json")
    with pytest.raises(ValueError, match=r"c\.json: configures a pre-training.*mim4d pretrain"):
        config_from_json(run, "c.json", TaskConfig)
    with pytest.raises(ValueError, match="hiden"):
        config_from_json(task.replace('"hidden"', '"hiden"'), "c.json", TaskConfig)


def test_a_head_of_an_unknown_kind_is_refused() -> None:
    text = config_to_json(task_preset("toy", "vehicles")).replace('"cells"', '"spheres"')
    with pytest.raises(ValueError, match="spheres"):
        config_from_json(text, "c.json", TaskConfig)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown preset 'dmo' \(did you mean 'demo'\?\)"):
        task_preset("dmo", "vehicles")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cells_xy", (0, 4)),
        ("hidden", 0),
        ("bce_weight", -1.0),
        ("dice_weight", float("nan")),
        ("min_lidar_points", -1),
        ("min_visibility", 0),
        ("min_visibility", 5),
        ("threshold", 1.0),
    ],
)
def test_values_that_make_no_head(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"config head\.{option}: expected "):
        replace(CellsHeadConfig(), **{option: value})


def test_a_head_without_any_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head\.dice_weight: expected a positive number"):
        CellsHeadConfig(bce_weight=0.0, dice_weight=0.0)


def test_given_depths_leave_the_depth_head_nothing_to_learn() -> None:
    given = replace(task_preset("toy", "vehicles"), given_depth=True)
    with pytest.raises(ValueError, match=r"depth_loss_weight: expected 0 where depths are given"):
        replace(given, depth_loss_weight=1.0)
    with pytest.raises(ValueError, match=r"camera_turn_deg: expected 0 where depths are given"):
        replace(given, augment=replace(given.augment, camera_turn_deg=2.0))
    with pytest.raises(DataError, match="bare images, and the run was trained with --given-depth"):
        build_bare_dataset(given, Path())
