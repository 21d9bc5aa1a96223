"""Presets for tasks: the trunk of the pre-training preset of the same name, so that weights fit."""

from dataclasses import fields, replace

from mim4d.config import ClipConfig, OptimConfig, PretrainConfig, TaskConfig, TrunkConfig
from mim4d.config.head import (
    BevTrunkConfig,
    CellsHeadConfig,
    HdMapHeadConfig,
    HeadConfig,
    OccupancyHeadConfig,
    SegmentationHeadConfig,
)
from mim4d.config.presets.demo import demo as demo_pretraining
from mim4d.config.presets.demo import toy as toy_pretraining

_HEADS: dict[str, HeadConfig] = {
    "bev_segmentation": SegmentationHeadConfig(
        cells_xy=(96, 96),
        trunk=BevTrunkConfig(width=48, cell_blocks=0),
        hidden=32,
        positive_weight=2.0,
        line_width_m=1.0,
    ),
    "hd_map": HdMapHeadConfig(),
    "occupancy": OccupancyHeadConfig(),
}
_TOY_HEADS: dict[str, HeadConfig] = {
    "bev_segmentation": SegmentationHeadConfig(
        cells_xy=(32, 32),
        trunk=BevTrunkConfig(width=16, cell_blocks=0),
        hidden=16,
        line_width_m=2.0,
    ),
    "hd_map": HdMapHeadConfig(
        cells_xy=(40, 20),
        lines=12,
        points=6,
        layers=2,
        warmup_steps=2,
        trunk=BevTrunkConfig(width=16, scales=1),
    ),
    "occupancy": OccupancyHeadConfig(hidden=8),
}
"""Heads by task, for `demo` and for `toy`; a task that is not named marks cells."""


def demo(task: str) -> TaskConfig:
    """On what `make demo` trained: minutes on two cores."""
    return _on_trunk_of(
        demo_pretraining(),
        task,
        _HEADS.get(task, CellsHeadConfig()),
        OptimConfig(steps=300, batch_size=2, lr=2e-3, warmup_steps=20, clip_norm=5.0),
    )


def toy(task: str) -> TaskConfig:
    """A few thousand weights, for tests and first steps: seconds, not accuracy."""
    return _on_trunk_of(
        toy_pretraining(),
        task,
        _TOY_HEADS.get(task, CellsHeadConfig(cells_xy=(32, 32), hidden=16)),
        OptimConfig(steps=20, warmup_steps=2, clip_norm=5.0),
        checkpoint_every=5,
    )


def _on_trunk_of(
    run: PretrainConfig,
    task: str,
    head: HeadConfig,
    optim: OptimConfig,
    checkpoint_every: int = 100,
) -> TaskConfig:
    """The trunk of a pre-training, which reads single frames here: the head looks at one.

    Its temporal decoder comes along for those who ask for more frames and for it.
    """
    trunk = {field.name: getattr(run, field.name) for field in fields(TrunkConfig)}
    clip: ClipConfig = trunk.pop("clip")
    return TaskConfig(
        **trunk,
        clip=replace(clip, frames=1, key=0, frame_interval_s=None),
        task=task,
        head=head,
        temporal=run.temporal,
        flow=run.flow,
        optim=optim,
        checkpoint_every=checkpoint_every,
    )
