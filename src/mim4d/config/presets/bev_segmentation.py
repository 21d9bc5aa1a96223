"""Presets with published shapes of BEV segmentation on nuScenes; the lifting is ours.

Vehicles on 100 m × 100 m around the car in cells of 0.5 m, as papers report them. Rates and steps
are the published ones; `docs/tasks.md` says what differs.
"""

from collections.abc import Callable

from mim4d.config.augment import AugmentConfig
from mim4d.config.clip import ClipConfig
from mim4d.config.encoder import EncoderConfig
from mim4d.config.grid import GridConfig
from mim4d.config.head import BevTrunkConfig, SegmentationHeadConfig
from mim4d.config.lift import LiftConfig
from mim4d.config.optim import OptimConfig
from mim4d.config.task import TaskConfig

_HALF_M = 50.0
_TRAINING_KEYFRAMES = 28_130


def cvt_setting2(task: str) -> TaskConfig:
    """CVT's setting 2: EfficientNet-B4, 224×480 images, 200×200 cells of 0.5 m, 30,000 steps."""
    return TaskConfig(
        preset="cvt_setting2",
        task=task,
        clip=_clip(224, 480),
        grid=_grid(100),
        encoder=_encoder(levels=(1, 2)),
        lift=_lift(),
        head=SegmentationHeadConfig(
            layers=("vehicle",),
            range_xy_m=(2 * _HALF_M, 2 * _HALF_M),
            loss="focal",
            dice_weight=0.0,
            centre_weight=0.1,
            trunk=BevTrunkConfig(width=128, scales=3),
        ),
        # Published: one cycle, from a tenth of the rate up to it in 30 % of the steps, then down to
        # a hundredth; ours begins lower.
        optim=OptimConfig(
            steps=30_000,
            batch_size=4,
            lr=4e-3,
            lr_clips=16,
            weight_decay=1e-7,
            warmup_steps=9_000,
            final_lr_factor=0.01,
            clip_norm=5.0,
        ),
        precision="bf16",
        checkpoint_every=1000,
    )


def pointbev_like_448x800(task: str) -> TaskConfig:
    """The shapes of PointBeV: EfficientNet-B4, 448×800 images, 200×200 cells, 100 epochs."""
    clips = 8
    return TaskConfig(
        preset="pointbev_like_448x800",
        task=task,
        clip=_clip(448, 800),
        augment=AugmentConfig(
            image_scale=(0.9, 1.1),
            brightness=0.1,
            contrast=0.1,
            saturation=0.1,
            bev_rotation_deg=20.0,
        ),
        grid=_grid(200),
        encoder=_encoder(levels=(1, 2)),
        lift=_lift(),
        head=SegmentationHeadConfig(
            layers=("vehicle",),
            range_xy_m=(2 * _HALF_M, 2 * _HALF_M),
            loss="bce",
            positive_weight=2.13,
            dice_weight=0.0,
            centre_weight=2.0,
            offset_weight=0.1,
            trunk=BevTrunkConfig(width=128, scales=3),
        ),
        optim=OptimConfig(
            steps=100 * _TRAINING_KEYFRAMES // clips,
            batch_size=1,
            lr=3e-4,
            lr_clips=clips,
            weight_decay=1e-7,
            warmup_steps=1_000,
            final_lr_factor=0.01,
            clip_norm=5.0,
        ),
        precision="bf16",
        checkpoint_every=1000,
    )


def _clip(height: int, width: int) -> ClipConfig:
    """The key frame alone; images lose rows of the sky, as published."""
    return ClipConfig(frames=1, key=0, image_height=height, image_width=width, fit="cover")


def _grid(side: int) -> GridConfig:
    return GridConfig((-_HALF_M, -_HALF_M, -2.0), (_HALF_M, _HALF_M, 6.0), (side, side, 8))


def _encoder(levels: tuple[int, ...]) -> EncoderConfig:
    """Published runs start from ImageNet: --encoder.weights-file, or --init of a pre-training."""
    return EncoderConfig(name="efficientnet_b4", levels=levels, neck_channels=128)


def _lift() -> LiftConfig:
    return LiftConfig(num_bins=60, first_bin_m=1.0, last_bin_m=60.0, volume_channels=32)


SEGMENTATION_PRESETS: dict[str, Callable[[str], TaskConfig]] = {
    "cvt_setting2": cvt_setting2,
    "pointbev_like_448x800": pointbev_like_448x800,
}
