"""Presets for tasks: the trunk of the pre-training preset of the same name, so that weights fit."""

from dataclasses import fields, replace

from mim4d.config import (
    ClipConfig,
    EncoderConfig,
    GridConfig,
    LiftConfig,
    OptimConfig,
    PretrainConfig,
    TaskConfig,
    TrunkConfig,
)
from mim4d.config.head import (
    BevTrunkConfig,
    CellsHeadConfig,
    CentreHeadConfig,
    HdMapHeadConfig,
    HeadConfig,
    OccupancyHeadConfig,
    SegmentationHeadConfig,
)
from mim4d.config.presets.demo import demo as demo_pretraining
from mim4d.config.presets.demo import toy as toy_pretraining

_TRAINING_KEYFRAMES, _EPOCHS, _CLIPS = 28_130, 24, 32
"""Of nuScenes, and of MapTR's longer schedule; clips of one optimiser step."""

_HEADS: dict[str, HeadConfig] = {
    "bev_segmentation": SegmentationHeadConfig(
        cells_xy=(96, 96),
        trunk=BevTrunkConfig(width=48, cell_blocks=0, place_octaves=6),
        hidden=32,
        # What is rare or thin is painted from less certainty on.
        positive_weights=(
            *("vehicle=5", "pedestrian=60", "drivable_area=1.5"),
            *("crossing=6", "divider=8", "boundary=6"),
        ),
        line_width_m=1.0,
    ),
    # What is there at all is to be learned first; numbers of boxes would drown it.
    "detection": CentreHeadConfig(
        cells_xy=(96, 96),
        trunk=BevTrunkConfig(width=48, cell_blocks=0),
        hidden=48,
        box_hidden=8,
        box_weight=0.25,
        velocity_weight=0.05,
        attribute_weight=0.05,
    ),
    # Cells learn where lines are; the many losses of points would drown them.
    "hd_map": HdMapHeadConfig(segmentation_weight=20.0, warmup_steps=150),
    "occupancy": OccupancyHeadConfig(),
}
_STEPS = {"bev_segmentation": 800, "detection": 1200, "hd_map": 800, "occupancy": 500}
"""Optimiser steps of `demo`: five to eleven minutes of one core."""
_RATES = {"hd_map": 1.5e-3}
"""Learning rates of `demo` where that of the pre-training is too high: for attention."""
_TOY_HEADS: dict[str, HeadConfig] = {
    "bev_segmentation": SegmentationHeadConfig(
        cells_xy=(32, 32),
        trunk=BevTrunkConfig(width=16, cell_blocks=0),
        hidden=16,
        line_width_m=2.0,
    ),
    "detection": CentreHeadConfig(cells_xy=(64, 64), trunk=BevTrunkConfig(width=16), hidden=16),
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
    """The trunk of `make demo`: minutes on two cores."""
    usual = TaskConfig(
        preset="demo",
        task=task,
        head=_HEADS.get(task, CellsHeadConfig()),
        optim=OptimConfig(
            steps=_STEPS.get(task, 300),
            batch_size=2,
            method="muon",
            lr=_RATES.get(task, 4e-3),
            beta_2=0.99,
            warmup_steps=20,
            clip_norm=5.0,
        ),
        image_loss_weight=1.0 if task == "detection" else 0.0,
        checkpoint_every=100,
    )
    return on_trunk_of(demo_pretraining(), usual)


def toy(task: str) -> TaskConfig:
    """A tiny model for tests and first steps: seconds, and no accuracy."""
    usual = TaskConfig(
        preset="toy",
        task=task,
        head=_TOY_HEADS.get(task, CellsHeadConfig(cells_xy=(32, 32), hidden=16)),
        optim=OptimConfig(steps=20, warmup_steps=2, clip_norm=5.0),
        checkpoint_every=5,
    )
    return on_trunk_of(toy_pretraining(), usual)


def maptr_r50(task: str) -> TaskConfig:
    """MapTR's setting on nuScenes: ResNet-50, 50 lines of 20 points, 24 epochs of 32 clips."""
    head: HeadConfig = HdMapHeadConfig(
        cells_xy=(200, 100),
        lines=50,
        points=20,
        layers=6,
        heads=8,
        boundary="road_boundary",
        warmup_steps=2000,
        one_to_many=300,
        trunk=BevTrunkConfig(width=256, scales=3),
    )
    return TaskConfig(
        preset="maptr_r50",
        task=task,
        clip=ClipConfig(frames=1, key=0, frame_interval_s=None, image_height=480, image_width=800),
        grid=GridConfig(
            lower_m=(-33.6, -19.2, -3.2), upper_m=(33.6, 19.2, 4.8), shape_xyz=(112, 64, 8)
        ),
        encoder=EncoderConfig(name="resnet50", norm_eval=True, neck_channels=128),
        lift=LiftConfig(num_bins=68, last_bin_m=68.0, volume_channels=64),
        head=head if task == "hd_map" else _HEADS.get(task, CellsHeadConfig()),
        optim=OptimConfig(
            steps=_EPOCHS * _TRAINING_KEYFRAMES // _CLIPS,
            batch_size=4,
            lr=6e-4,
            lr_clips=_CLIPS,
            backbone_lr_factor=0.1,
            warmup_steps=500,
        ),
        checkpoint_every=1000,
    )


def on_trunk_of(run: PretrainConfig, usual: TaskConfig) -> TaskConfig:
    """A task's configuration with the trunk of a pre-training, so that its weights fit.

    The trunk reads single frames here: the head looks at one. The temporal decoder comes along for
    those who ask for more frames and for it.

    Args:
        run: The pre-training.
        usual: What says everything else: head, optimiser.
    """
    trunk = {field.name: getattr(run, field.name) for field in fields(TrunkConfig)}
    trunk["clip"] = replace(run.clip, frames=1, key=0, frame_interval_s=None)
    return replace(usual, **trunk, temporal=run.temporal, flow=run.flow)
