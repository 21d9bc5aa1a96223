"""Rows: each changes what it says and nothing else, and says where it does not apply."""

from dataclasses import replace

import pytest

from mim4d.config import PretrainConfig
from mim4d.config.presets import PRESETS, preset
from mim4d.runs.record import config_differences
from mim4d.study.ablation.rows import FULL, ROWS, apply_rows, choose_rows

CHANGED = {
    "no_flow": {"flow.enabled"},
    "copy": {"flow.enabled", "temporal.decoder"},
    "mean": {"flow.enabled", "temporal.decoder"},
    "short_only": {"temporal.branches"},
    "long_only": {"temporal.branches"},
    "flow_not_rendered": {"loss.flow_render_weight"},
    "no_mask": {"mask.ratio"},
    "no_drop": {"mask.num_dropped"},
    "no_importance": {"render.num_samples", "render.num_importance"},
    "eikonal": {"loss.eikonal_weight"},
    "no_colour": {"loss.colour_weight"},
    "whole_steps": {"loss.depth_alone_share"},
    "depth_by_rendering": {"loss.rendering_teaches_depth"},
    "two_frames": {"clip.frames", "mask.dropped_frame"},
    "five_frames": {"clip.frames", "clip.key"},
    "double_interval": {"clip.frame_interval_s"},
    "double_steps": {"optim.steps"},
}


def _configs(config: PretrainConfig) -> dict[str, PretrainConfig]:
    return apply_rows(ROWS, config)[0]


def _changed(a: PretrainConfig, b: PretrainConfig) -> set[str]:
    return {difference.split(" ")[0] for difference in config_differences(a, b)}


@pytest.mark.parametrize("name", CHANGED)
def test_a_row_changes_what_it_says_and_nothing_else(name: str) -> None:
    configs = _configs(preset("demo"))
    assert _changed(configs[FULL], configs[name]) == CHANGED[name]


def test_every_row_is_looked_at_here() -> None:
    assert {row.name for row in ROWS} == {*CHANGED, FULL, "no_lidar"}
    assert [row.name for row in ROWS if row.headline] == [FULL, "no_flow", "copy", "mean"]


def test_full_is_the_preset_with_the_flow_on() -> None:
    config = preset("demo")
    assert _configs(config)[FULL] == config
    off = replace(config, flow=replace(config.flow, enabled=False))
    assert _configs(off)[FULL] == config


def test_without_lidar_is_what_demo_no_lidar_is_to_demo() -> None:
    theirs = preset("demo_no_lidar")
    row = _configs(preset("demo"))["no_lidar"]
    assert _changed(row, theirs) == {
        "preset",
        "flow.enabled",
        "optim.steps",
        "encoder.name",
        "encoder.levels",
        "render.rays_per_camera",
        "render.lidar_share",
        "render.clear_sky",
        "render.spacing",
        "render.background",
        "encoder.depths",
        "encoder.layer_scale_init",
        "augment.brightness",
        "augment.contrast",
        "augment.hue_deg",
        "augment.saturation",
        "flow.slow_prior",
        "flow.static_prior",
        "encoder.renormalise_after",
        "lift.exposure",
        "lift.light",
        "optim.method",
        "render.lidar_points",
    }


def test_importance_samples_become_even_ones() -> None:
    render = _configs(preset("demo"))["no_importance"].render
    assert (render.num_samples, render.num_importance) == (36, 0)


def test_eikonal_is_turned() -> None:
    config = preset("demo")
    on = replace(config, loss=replace(config.loss, eikonal_weight=0.3))
    assert _configs(config)["eikonal"].loss.eikonal_weight == 0.1
    assert _configs(on)["eikonal"].loss.eikonal_weight == 0


def test_the_interval_is_doubled_from_what_it_is() -> None:
    config = preset("demo")
    spaced = replace(config, clip=replace(config.clip, frame_interval_s=0.25))
    assert _configs(config)["double_interval"].clip.frame_interval_s == 1.0
    assert _configs(spaced)["double_interval"].clip.frame_interval_s == 0.5


@pytest.mark.parametrize("name", PRESETS)
def test_the_key_frame_keeps_its_place(name: str) -> None:
    """In the middle, or the newest as in the published recipe."""
    config = preset(name)
    newest = config.clip.key == config.clip.frames - 1
    for row, frames in (("two_frames", 2), ("five_frames", 5)):
        clip = _configs(config)[row].clip
        assert clip.frames == frames
        assert clip.key == (frames - 1 if newest else frames // 2)


def test_rows_that_do_not_apply_are_left_out_with_the_reason() -> None:
    config = preset("demo_no_lidar")
    config = replace(config, temporal=replace(config.temporal, decoder="mean"))
    configs, left_out = apply_rows(ROWS, config)
    assert "changes nothing" in left_out["no_lidar"]
    assert "'mean' has no branches" in left_out["short_only"]
    assert set(configs) | set(left_out) == {row.name for row in ROWS}
    assert not set(configs) & set(left_out)


def test_rows_are_chosen_by_name_and_full_is_always_there() -> None:
    assert [row.name for row in choose_rows(["no_mask", "copy"])] == [FULL, "copy", "no_mask"]
    assert choose_rows() == list(ROWS)
    with pytest.raises(ValueError, match=r"'no_maks' \(did you mean 'no_mask'"):
        choose_rows(["no_maks"])
