"""What an ablation changes: rows, each a function from a run's configuration to another.

Plain configuration enters and leaves; nothing here imports torch. A row that leaves a configuration
as it is, or makes one that no run can have, does not apply to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from mim4d.config import LossConfig, PretrainConfig
from mim4d.config.presets import demo, demo_no_lidar
from mim4d.errors import did_you_mean

FULL = "full"
KEYFRAME_INTERVAL_S = 0.5
"""Time between consecutive keyframes, seconds: they come at 2 Hz in nuScenes and in our worlds."""
EIKONAL_WEIGHT = 0.1


@dataclass(frozen=True)
class AblationRow:
    """One row of the table.

    Attributes:
        name: As on the command line.
        change: What it changes, in a line.
        apply: The changed configuration; refuses with a ValueError what it cannot change.
        headline: Whether it is trained with the headline's seeds.
    """

    name: str
    change: str
    apply: Callable[[PretrainConfig], PretrainConfig]
    headline: bool = False


def with_flow(config: PretrainConfig) -> PretrainConfig:
    """The preset with the flow on: what all other rows are compared with."""
    return replace(config, flow=replace(config.flow, enabled=True))


def without_flow(config: PretrainConfig) -> PretrainConfig:
    """No flow is looked for, and its losses are gone with it."""
    return replace(config, flow=replace(config.flow, enabled=False))


def copy_frame(config: PretrainConfig) -> PretrainConfig:
    """The nearest source instead of flow and decoder."""
    return replace(without_flow(config), temporal=replace(config.temporal, decoder="copy"))


def mean_frame(config: PretrainConfig) -> PretrainConfig:
    """The mean of the sources instead of flow and decoder."""
    return replace(without_flow(config), temporal=replace(config.temporal, decoder="mean"))


def short_branch(config: PretrainConfig) -> PretrainConfig:
    """The decoder without its long branch."""
    _refuse_unless_attention(config)
    return replace(config, temporal=replace(config.temporal, branches="short"))


def long_branch(config: PretrainConfig) -> PretrainConfig:
    """The decoder without its short branch."""
    _refuse_unless_attention(config)
    return replace(config, temporal=replace(config.temporal, branches="long"))


def without_mask(config: PretrainConfig) -> PretrainConfig:
    """Every patch is seen; rays that went through hidden patches go everywhere."""
    render = replace(config.render, rays_on="everywhere")
    return replace(config, mask=replace(config.mask, ratio=0.0), render=render)


def without_drop(config: PretrainConfig) -> PretrainConfig:
    """No frame is dropped, so none is rebuilt."""
    return replace(config, mask=replace(config.mask, num_dropped=0))


def without_importance(config: PretrainConfig) -> PretrainConfig:
    """As many samples on each ray, all of them evenly spread."""
    render = config.render
    num_samples = render.num_samples + render.num_importance
    return replace(config, render=replace(render, num_samples=num_samples, num_importance=0))


def turned_eikonal(config: PretrainConfig) -> PretrainConfig:
    """The eikonal loss on where it is off, off where it is on."""
    weight = 0.0 if config.loss.eikonal_weight > 0 else EIKONAL_WEIGHT
    return replace(config, loss=replace(config.loss, eikonal_weight=weight))


def without_colour(config: PretrainConfig) -> PretrainConfig:
    """Colours teach nothing: distances alone are learned."""
    return replace(config, loss=replace(config.loss, colour_weight=0.0))


def whole_steps(config: PretrainConfig) -> PretrainConfig:
    """No step teaches the depth head alone; such steps cost half, so that this takes longer."""
    return replace(config, loss=replace(config.loss, depth_alone_share=0.0))


def depth_by_rendering(config: PretrainConfig) -> PretrainConfig:
    """What is rendered teaches the depth distributions as well, and not LiDAR alone."""
    return replace(config, loss=replace(config.loss, rendering_teaches_depth=True))


def without_lidar(config: PretrainConfig) -> PretrainConfig:
    """No point cloud is read; other images teach the distances, as `demo_no_lidar` does it."""
    ours, theirs = demo().loss, demo_no_lidar().loss
    weights = {
        field.name: getattr(theirs, field.name)
        for field in fields(LossConfig)
        if getattr(theirs, field.name) != getattr(ours, field.name)
    }
    return replace(
        config,
        clip=replace(config.clip, lidar=None),
        render=replace(config.render, use_lidar=False),
        loss=replace(config.loss, **weights),
    )


def two_frames(config: PretrainConfig) -> PretrainConfig:
    """Clips of two frames: the later one is rebuilt from the one before it."""
    mask = config.mask
    dropped = "any" if mask.dropped_frame == "inner" else mask.dropped_frame
    mask = replace(mask, dropped_frame=dropped, num_dropped=min(mask.num_dropped, 1))
    return _with_frames(replace(config, mask=mask), 2)


def five_frames(config: PretrainConfig) -> PretrainConfig:
    """Clips of five frames."""
    return _with_frames(config, 5)


def doubled_interval(config: PretrainConfig) -> PretrainConfig:
    """Twice the time between frames."""
    interval_s = config.clip.frame_interval_s or KEYFRAME_INTERVAL_S
    return replace(config, clip=replace(config.clip, frame_interval_s=2 * interval_s))


def doubled_steps(config: PretrainConfig) -> PretrainConfig:
    """Twice as many optimiser steps."""
    return replace(config, optim=replace(config.optim, steps=2 * config.optim.steps))


def flow_not_rendered(config: PretrainConfig) -> PretrainConfig:
    """The flow is on, but the mean it makes is neither rendered nor supervised."""
    return replace(config, loss=replace(config.loss, flow_render_weight=0.0))


ROWS = (
    AblationRow(FULL, "the preset with the flow on", with_flow, headline=True),
    AblationRow("no_flow", "no flow: sources keep their motion", without_flow, headline=True),
    AblationRow("copy", "nearest warped frame for flow and decoder", copy_frame, headline=True),
    AblationRow("mean", "mean of the warped frames for flow and decoder", mean_frame, True),
    AblationRow("short_only", "decoder without its long branch", short_branch),
    AblationRow("long_only", "decoder without its short branch", long_branch),
    AblationRow(
        "flow_not_rendered", "the mean that the flow makes is not taught", flow_not_rendered
    ),
    AblationRow("no_mask", "no patch of the images is hidden", without_mask),
    AblationRow("no_drop", "no frame is dropped or rebuilt", without_drop),
    AblationRow("no_importance", "all samples of a ray evenly spread", without_importance),
    AblationRow(
        "eikonal", f"eikonal loss on ({EIKONAL_WEIGHT:g}), or off if it was on", turned_eikonal
    ),
    AblationRow("no_colour", "colours teach nothing", without_colour),
    AblationRow("whole_steps", "no step teaches the depth head alone", whole_steps),
    AblationRow("depth_by_rendering", "what is rendered teaches depth as well", depth_by_rendering),
    AblationRow("no_lidar", "no LiDAR: other images teach the distances", without_lidar),
    AblationRow("two_frames", "clips of two frames: rebuilt from the past alone", two_frames),
    AblationRow("five_frames", "clips of five frames", five_frames),
    AblationRow("double_interval", "twice the time between frames", doubled_interval),
    AblationRow("double_steps", "trained for twice as many steps", doubled_steps),
)
"""In the order of the table, the headline first."""


def choose_rows(names: Sequence[str] = ()) -> list[AblationRow]:
    """The rows of these names in the order of the table, `full` always among them; none: all.

    Raises:
        ValueError: If there is no row of a name.
    """
    known = [row.name for row in ROWS]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"--rows: no row {name!r}{hint}; there are: {', '.join(known)}")
    return [row for row in ROWS if not names or row.name in names or row.name == FULL]


def apply_rows(
    rows: Sequence[AblationRow], config: PretrainConfig
) -> tuple[dict[str, PretrainConfig], dict[str, str]]:
    """What every row makes of a preset, and why rows that do not apply to it are left out.

    Args:
        rows: Rows, `full` first.
        config: The preset, its flow on or off.

    Returns:
        Configurations and reasons, by the row's name.
    """
    full = with_flow(config)
    configs, left_out = {FULL: full}, {}
    for row in rows:
        if row.name == FULL:
            continue
        try:
            changed = row.apply(full)
        except ValueError as error:
            left_out[row.name] = str(error)
            continue
        if changed == full:
            left_out[row.name] = f"changes nothing of {config.preset}"
        else:
            configs[row.name] = changed
    return configs, left_out


def _with_frames(config: PretrainConfig, frames: int) -> PretrainConfig:
    """Another number of frames; the key frame stays the oldest, the newest or the middle one."""
    clip = config.clip
    key = clip.key % clip.frames
    if key == clip.frames - 1:
        key = frames - 1
    elif key > 0:
        key = frames // 2
    return replace(config, clip=replace(clip, frames=frames, key=key))


def _refuse_unless_attention(config: PretrainConfig) -> None:
    decoder = config.temporal.decoder
    if decoder != "attention":
        raise ValueError(f"the decoder {decoder!r} has no branches")
