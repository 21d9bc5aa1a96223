"""Values that do not fit are refused, with the path of the option to change."""

import math
from dataclasses import replace
from typing import Any

import pytest

from mim4d.build.pretraining import build_dropping
from mim4d.config import (
    ClipConfig,
    ConventionConfig,
    LossConfig,
    MaskConfig,
    OptimConfig,
    PhotometricConfig,
    PretrainConfig,
    RenderConfig,
)
from mim4d.config.presets import demo, study
from mim4d.pretraining.ray_choice import RaysOn


def _run(frames: int, mask: MaskConfig) -> PretrainConfig:
    return PretrainConfig(preset="toy", clip=ClipConfig(frames, key=0), mask=mask)


@pytest.mark.parametrize(
    ("frames", "mask", "message"),
    [
        (0, MaskConfig(), r"clip\.frames: expected at least 1, got 0"),
        (2, MaskConfig(), r"clip\.frames: expected at least 3 where mask\.dropped_frame is"),
        (4, MaskConfig(num_dropped=3), r"mask\.num_dropped: expected at most 2 .*'inner'.*got 3"),
        (
            2,
            MaskConfig(dropped_frame="any", num_dropped=3),
            r"mask\.num_dropped: expected at most 2 .*got 3",
        ),
        (
            2,
            MaskConfig(dropped_frame="any", num_dropped=2),
            r"less than clip\.frames .*no-dropped-together",
        ),
    ],
)
def test_more_dropped_frames_than_there_are(frames: int, mask: MaskConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _run(frames, mask)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": math.inf}, "optim.lr: expected a positive number, got inf"),
        ({"clip_norm": 0.0}, "optim.clip_norm: expected a positive number"),
        ({"clip_norm": math.nan}, "optim.clip_norm: expected a positive number"),
        ({"weight_decay": -1.0}, "optim.weight_decay: expected a number, 0 or more"),
        ({"backbone_lr_factor": math.nan}, "optim.backbone_lr_factor: expected a number"),
        ({"final_lr_factor": -0.1}, "optim.final_lr_factor: expected a number"),
    ],
)
def test_an_optimiser_that_would_learn_nothing_or_worse(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OptimConfig(**values)


def test_what_may_be_dropped() -> None:
    for frames, mask in (
        (2, MaskConfig(dropped_frame="any")),
        (2, MaskConfig(dropped_frame="key", num_dropped=2, dropped_together=False)),
        (4, MaskConfig(dropped_frame="key", num_dropped=3)),
        (5, MaskConfig(dropped_frame="inner", num_dropped=3)),
    ):
        assert build_dropping(_run(frames, mask)).count == mask.num_dropped


def test_single_frames_drop_none_whatever_the_mask_options_say() -> None:
    assert build_dropping(_run(1, MaskConfig())).count == 0
    assert build_dropping(_run(1, MaskConfig(dropped_frame="any", num_dropped=3))).count == 0


@pytest.mark.parametrize(
    ("ratio", "rays_on", "message"),
    [
        (0.95, "everywhere", r"mask\.ratio: expected less, so that at least one of an image's 6"),
        (0.0, "hidden", r"mask\.ratio: expected more, so that .*render\.rays_on"),
        (0.05, "hidden", r"one of an image's 6 patches is hidden.*got 0\.05"),
    ],
)
def test_masks_that_hide_all_or_nothing(ratio: float, rays_on: RaysOn, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _masked(ratio, rays_on)
    _masked(0.0, "everywhere")
    _masked(0.3, "hidden")


def _masked(ratio: float, rays_on: RaysOn) -> PretrainConfig:
    clip = ClipConfig(image_height=64, image_width=96)
    render = RenderConfig(rays_on=rays_on)
    return PretrainConfig(preset="toy", clip=clip, mask=MaskConfig(ratio), render=render)


def test_losses_of_a_lidar_want_a_lidar() -> None:
    clip = ClipConfig(lidar=None)
    with pytest.raises(ValueError, match=r"clip\.lidar: .* needed by loss\.distance_weight .*None"):
        PretrainConfig(preset="toy", clip=clip)
    loss = LossConfig(distance_weight=0.0, relative_distance_weight=1.0, depth_weight=1.0)
    with pytest.raises(ValueError, match=r"loss\.relative_distance_weight and loss\.depth_weight"):
        PretrainConfig(preset="toy", clip=clip, loss=loss)
    assert (
        PretrainConfig(preset="toy", clip=clip, loss=LossConfig(distance_weight=0.0)).clip.lidar
        is None
    )
    unused = RenderConfig(use_lidar=False)
    with pytest.raises(
        ValueError, match=r"render\.use_lidar: expected True, needed by loss\.distance_w"
    ):
        PretrainConfig(preset="toy", render=unused)
    config = PretrainConfig(preset="toy", render=unused, loss=LossConfig(distance_weight=0.0))
    assert not config.render.use_lidar


def test_depth_needs_a_teacher_where_rendering_is_none() -> None:
    LossConfig(rendering_teaches_depth=False, depth_weight=1.0)
    LossConfig(rendering_teaches_depth=False, depth_sweep_weight=1.0)
    with pytest.raises(ValueError, match="nothing else would"):
        LossConfig(rendering_teaches_depth=False, smoothness_weight=1.0)
    two_levels = replace(demo().encoder, levels=(1, 2), lift_levels=2)
    with pytest.raises(ValueError, match=r"encoder\.lift_levels is above 1"):
        replace(demo(), encoder=two_levels)
    with pytest.raises(
        ValueError, match=r"without LiDAR, and loss\.rendering_teaches_depth to True"
    ):
        replace(demo(), clip=replace(demo().clip, lidar=None))


@pytest.mark.parametrize(
    ("part", "option", "value", "expected"),
    [
        ("lift", "num_bins", 1, "at least 2"),
        ("lift", "volume_channels", 0, "at least 1"),
        ("loss", "colour_weight", -1.0, "0 or more"),
        ("loss", "smoothness_weight", float("nan"), "0 or more"),
        ("loss", "termination_scale", 0.0, "a positive number"),
        ("loss", "depth_alone_share", 1.5, "a share: 0 to 1"),
        ("loss", "depth_alone_share", 0.5, "0 where loss.depth_weight is 0"),
        ("loss", "rendering_teaches_depth", False, "nothing else would"),
        ("render", "lidar_share", 1.5, r"a share in \[0, 1\]"),
        ("encoder", "levels", (3, 1), "ascending stages among 0 to 3"),
        ("encoder", "levels", (2, 2), "ascending stages"),
        ("encoder", "levels", (), "ascending stages"),
        ("encoder", "levels", (4,), "ascending stages"),
        ("encoder", "frozen_stages", 5, "0 to 4"),
        ("encoder", "frozen_stages", -1, "0 to 4"),
        ("encoder", "depths", (0, 1, 1, 1), "at least 1 each"),
        ("encoder", "widths", (8, 8, 8, 0), "at least 1 each"),
        ("encoder", "neck_channels", 0, "at least 1"),
        ("encoder", "lift_levels", 0, "at least 1"),
        ("encoder", "drop_path_rate", 1.0, r"a share in \[0, 1\)"),
    ],
)
def test_sizes_and_weights_that_make_no_model(
    part: str, option: str, value: Any, expected: str
) -> None:
    with pytest.raises(ValueError, match=rf"config {part}\.{option}: expected .*{expected}"):
        replace(getattr(PretrainConfig(preset="toy"), part), **{option: value})


def test_averaged_pixels_fill_the_images() -> None:
    clip, blocks = ClipConfig(image_height=64, image_width=96), PhotometricConfig(downscale=3)
    with pytest.raises(
        ValueError, match=r"photometric\.downscale: .*clip\.image_height \(64\), got 3"
    ):
        PretrainConfig(
            preset="toy", clip=clip, photometric=blocks, loss=LossConfig(photometric_weight=1.0)
        )
    assert PretrainConfig(preset="toy", clip=clip, photometric=blocks)  # no images are compared


def test_no_negative_number_of_frames_is_dropped() -> None:
    with pytest.raises(ValueError, match=r"mask\.num_dropped: expected 0 or more"):
        replace(MaskConfig(), num_dropped=-1)


def test_conventions_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"conventions\.alpha_epsilon: expected a number in \[0"):
        ConventionConfig(alpha_epsilon=-1e-5)
    with pytest.raises(ValueError, match=r"conventions\.importance_sharpness_per_m: expected a"):
        ConventionConfig(importance_sharpness_per_m=0.0)


def test_the_preset_study_is_the_demo_for_longer_with_depth_by_rendering() -> None:
    config = study()
    assert replace(config, preset="demo", optim=demo().optim, loss=demo().loss) == demo()
    assert replace(config.loss, rendering_teaches_depth=False) == demo().loss
    assert replace(config.optim, steps=demo().optim.steps) == demo().optim
    # A step takes 0.5 s in the demo, on two cores: half an hour and little more.
    assert 1800 < config.optim.steps * 0.5 <= 2100
