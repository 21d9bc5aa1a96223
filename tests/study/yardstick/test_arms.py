"""What is compared, and on which labels."""

from dataclasses import fields, replace

import pytest

from mim4d.config import TrunkConfig
from mim4d.config.presets import demo, preset, task_preset
from mim4d.study.yardstick.arms import depth_only, labelled_scenes, task_config

SCENES = [f"scene-{i:02d}" for i in range(64)]


def test_labelled_scenes_are_spread_and_a_part_judges_rates() -> None:
    found = labelled_scenes(SCENES, 6)
    assert found.names == ("scene-05", "scene-16", "scene-26", "scene-37", "scene-48", "scene-58")
    assert found.judging == (found.names[0], found.names[3])
    assert set(found.searching) == set(found.names) - set(found.judging)
    assert labelled_scenes(SCENES, 2).searching == (SCENES[48],)
    with pytest.raises(ValueError, match="--scenes 65: expected 2 to 64"):
        labelled_scenes(SCENES, 65)


def test_depth_only_has_no_other_loss_and_rebuilds_nothing() -> None:
    config = depth_only(demo(), 1234)
    loss = config.loss
    left = {
        field.name
        for field in fields(loss)
        if field.name.endswith("_weight") and getattr(loss, field.name) > 0
    }
    assert left == {"depth_weight", "obstacle_weight"}
    assert (config.optim.steps, config.mask.num_dropped, config.flow.enabled) == (1234, 0, False)
    assert config.encoder == demo().encoder
    toy = preset("toy")
    assert toy.loss.depth_weight == 0
    assert depth_only(toy, 1).loss.depth_weight == 1


def test_the_head_stands_on_the_runs_own_trunk() -> None:
    run = replace(demo(), grid=replace(demo().grid, shape_xyz=(32, 32, 4)))
    config = task_config(run, 77, 3e-3, 5)
    wanted = task_preset("demo", "vehicles")
    assert (config.optim.steps, config.optim.lr, config.seed) == (77, 3e-3, 5)
    assert config.optim.batch_size == wanted.optim.batch_size
    assert (config.grid, config.clip.frames, config.task) == (run.grid, 1, "vehicles")
    same = {field.name for field in fields(TrunkConfig)} - {"clip"}
    assert all(getattr(config, name) == getattr(run, name) for name in same)
    assert task_config(run, None, 3e-3, 5).optim.steps == wanted.optim.steps
