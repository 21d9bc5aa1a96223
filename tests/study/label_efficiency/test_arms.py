"""What is compared: starts of one architecture."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.config import TrunkConfig
from mim4d.config.encoder import LITE0_NAME, EncoderConfig
from mim4d.config.presets import demo, demo_no_lidar, preset, task_preset
from mim4d.study.label_efficiency.arms import Arm, make_arms, task_config
from mim4d.study.label_efficiency.depth_only import depth_only
from mim4d.study.label_efficiency.request import ArmName, Study

RUN, CONTROL = Path("run"), Path("control")


def _asked(*arms: ArmName, **changes: Any) -> Study:
    return Study(data=Path("data"), pretrained=RUN, out=Path("out"), arms=arms, **changes)


def test_the_baseline_comes_first_and_parts_are_taken_step_by_step() -> None:
    asked = _asked("pretrained", "pretrained_encoder", "pretrained_depth", "depth_only", "random")
    arms = make_arms(asked, demo(), CONTROL)
    assert arms[0].name == "random"
    taken = {arm.name: (arm.init, arm.parts) for arm in arms}
    assert taken == {
        "random": (None, None),
        "pretrained": (RUN, None),
        "pretrained_encoder": (RUN, ("image encoder",)),
        "pretrained_depth": (RUN, ("image encoder", "neck", "depth head")),
        "depth_only": (CONTROL, None),
    }
    assert [arm.trunk_by_seed for arm in arms] == [True, False, True, True, False]


def test_every_arm_says_where_lidar_teaches() -> None:
    def lidar(run: Any) -> list[str]:
        return [arm.lidar for arm in make_arms(_asked("random", "pretrained"), run, None)]

    assert lidar(demo()) == ["nowhere", "in the pre-training"]
    assert lidar(demo_no_lidar()) == ["nowhere", "nowhere"]


def test_arms_have_the_runs_architecture_and_differ_in_weights_alone() -> None:
    run = replace(demo(), grid=replace(demo().grid, shape_xyz=(32, 32, 4)))
    arms = make_arms(_asked("random", "weights", weights=Path("w.pth")), run, None)
    asked = _asked("random", steps=77)
    plain, named = (task_config(run, asked, "vehicles", arm, "full", 3e-3, 5) for arm in arms)
    assert named.encoder == replace(plain.encoder, weights_file=Path("w.pth"))
    assert replace(named, encoder=plain.encoder) == plain
    assert (plain.optim.steps, plain.optim.lr, plain.seed) == (77, 3e-3, 5)
    assert (plain.clip.frames, plain.frozen, plain.task) == (1, "nothing", "vehicles")
    assert plain.head == task_preset("demo", "vehicles").head
    same = {field.name for field in fields(TrunkConfig)} - {"clip"}
    assert all(getattr(plain, name) == getattr(run, name) for name in same)


def test_double_length_and_frozen() -> None:
    arm = Arm("random", "random weights")
    config = task_config(demo(), _asked("random"), "vehicles", arm, "frozen", 1e-3, 0, length=2)
    assert config.optim.steps == 2 * task_preset("demo", "vehicles").optim.steps
    assert config.frozen == "trunk"


def test_weights_of_another_model_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="arm imagenet: its weights are of tf_efficientnet_lite0"):
        make_arms(_asked("random", "imagenet"), demo(), None)
    lite0 = replace(demo(), encoder=EncoderConfig(name=LITE0_NAME))
    assert make_arms(_asked("random", "imagenet"), lite0, None)[1].encoder == {
        "weights": "lite0_imagenet"
    }


def test_lidar_beside_random_weights_wants_the_sensor() -> None:
    asked = _asked("random", "random_lidar")
    arm = make_arms(asked, demo(), None)[1]
    assert arm.depth_loss_weight == demo().loss.depth_weight
    assert [arm.applies_to(rung) for rung in ("full", "frozen")] == [True, False]
    with pytest.raises(ValueError, match="reads no LiDAR"):
        make_arms(asked, demo_no_lidar(), None)


def test_the_ceiling_is_random_weights_that_are_given_depth() -> None:
    asked = _asked("random", "exact_depth")
    random, ceiling = make_arms(asked, demo_no_lidar(), None, exact=True)
    configs = [
        task_config(demo_no_lidar(), asked, "vehicles", arm, "frozen", 1e-3, 0)
        for arm in (random, ceiling)
    ]
    assert configs[1] == replace(configs[0], given_depth=True)
    assert (ceiling.taken, ceiling.lidar) == ("nothing", "nowhere")
    told = make_arms(asked, demo(), None, exact=False)[1]
    assert "LiDAR's depth" in told.title
    with pytest.raises(ValueError, match="arm exact_depth: the data set has no exact"):
        make_arms(asked, demo_no_lidar(), None, exact=False)


def test_depth_only_has_no_other_loss_and_rebuilds_nothing() -> None:
    config = depth_only(demo(), 1234)
    loss = config.loss
    left = {
        field.name
        for field in fields(loss)
        if field.name.endswith("_weight") and getattr(loss, field.name) > 0
    }
    assert left == {"depth_weight", "obstacle_weight"}
    assert (config.optim.steps, loss.depth_alone_share) == (1234, 1.0)
    assert config.encoder == demo().encoder
    assert depth_only(preset("toy"), 1).loss.depth_weight == 1
    with pytest.raises(ValueError, match="arm depth_only: the pre-training reads no LiDAR"):
        depth_only(demo_no_lidar(), 1)
