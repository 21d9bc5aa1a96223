"""Presets for detection: published recipes, corrected. Counts are of nuScenes' training split.

`uvtr_convnext_s_080` and `_060` are the detectors that MIM4D's authors fine-tuned: trunk of the
pre-training presets `nuscenes_s_080` and `nuscenes_s_060` (grid in ego axes), full images, queries.
`bevdet_r50_256x704` is what most camera detectors are compared with at that size.
"""

from collections.abc import Callable
from dataclasses import replace

from mim4d.config.augment import AugmentConfig
from mim4d.config.clip import ClipConfig
from mim4d.config.encoder import EncoderConfig
from mim4d.config.grid import GridConfig
from mim4d.config.head import BevTrunkConfig, CentreHeadConfig, QueryHeadConfig
from mim4d.config.lift import LiftConfig
from mim4d.config.optim import OptimConfig
from mim4d.config.presets.nuscenes import nuscenes_s_060, nuscenes_s_080
from mim4d.config.pretrain import PretrainConfig
from mim4d.config.task import TaskConfig

PLACED_CODE_WEIGHTS = (2.0, 2.0, *(1.0,) * 6, 0.2, 0.2)
"""Of the 0.075 m release."""
_TRAINING_KEYFRAMES = 28_130


def uvtr_convnext_s_080(task: str) -> TaskConfig:
    """The published 0.8 m detector: ConvNeXt-S, 900×1600 images, 900 learned queries."""
    head = QueryHeadConfig(queries="learned", code_weights=(1.0,) * 10, denoising_groups=0)
    # Half of the key frames were used, twelve times.
    samples = 12 * _TRAINING_KEYFRAMES // 2
    return _uvtr(nuscenes_s_080(), "uvtr_convnext_s_080", task, head, 128, samples)


def uvtr_convnext_s_060(task: str) -> TaskConfig:
    """The published 0.6 m detector: ConvNeXt-S, 900×1600 images, 900 placed queries, denoising."""
    head = QueryHeadConfig(queries="placed", code_weights=PLACED_CODE_WEIGHTS)
    samples = 12 * _TRAINING_KEYFRAMES
    return _uvtr(nuscenes_s_060(), "uvtr_convnext_s_060", task, head, 256, samples)


def _uvtr(
    run: PretrainConfig, name: str, task: str, head: QueryHeadConfig, channels: int, samples: int
) -> TaskConfig:
    """What both have in common; of the published augmentation the erased squares are left out."""
    clips = 8
    return TaskConfig(
        preset=name,
        clip=replace(
            run.clip, frames=1, key=0, frame_interval_s=None, image_height=928, image_width=1600
        ),
        # Published: photometric distortion, and the scene turned and scaled.
        augment=AugmentConfig(
            brightness=0.125,
            contrast=0.5,
            saturation=0.5,
            hue_deg=18.0,
            bev_rotation_deg=22.5,
            bev_scale=(0.95, 1.05),
        ),
        grid=run.grid,
        # Of images of four times the size, nothing but the blocks' inputs is kept.
        encoder=replace(run.encoder, checkpoint_stages=4),
        lift=replace(run.lift, volume_channels=channels, volume_layers=3),
        precision=run.precision,
        task=task,
        head=head,
        optim=OptimConfig(
            steps=samples // clips,
            batch_size=1,
            lr=4e-4,
            lr_clips=clips,
            backbone_lr_factor=0.1,
            weight_decay=0.01,
            warmup_steps=500,
            final_lr_factor=1e-3,
            clip_norm=35.0,
        ),
        checkpoint_every=1000,
    )


def bevdet_r50_256x704(task: str) -> TaskConfig:
    """The usual size of comparison: ResNet-50, 256×704 images, one frame, dense head, 0.8 m cells.

    With two frames: --clip.frames 2 --clip.key 1 --join concatenate.
    """
    clips = 64
    return TaskConfig(
        preset="bevdet_r50_256x704",
        clip=ClipConfig(
            frames=1, key=0, frame_interval_s=None, image_height=256, image_width=704, fit="cover"
        ),
        augment=AugmentConfig(
            image_scale=(0.94, 1.25),
            image_flip=0.5,
            bev_rotation_deg=22.5,
            bev_scale=(0.95, 1.05),
            bev_flip_x=0.5,
            bev_flip_y=0.5,
        ),
        grid=GridConfig(
            lower_m=(-51.2, -51.2, -3.2), upper_m=(51.2, 51.2, 4.8), shape_xyz=(128, 128, 8)
        ),
        encoder=EncoderConfig(name="resnet50", levels=(2, 3), neck_channels=256, lift_levels=1),
        lift=LiftConfig(
            method="splat",
            num_bins=59,
            first_bin_m=1.5,
            last_bin_m=59.5,
            depth_head="camera_aware",
            normalise="sum",
            volume_channels=64,
        ),
        precision="bf16",
        task=task,
        head=CentreHeadConfig(
            cells_xy=(128, 128), trunk=BevTrunkConfig(width=128, scales=3, blocks=2)
        ),
        optim=OptimConfig(
            steps=24 * _TRAINING_KEYFRAMES // clips,
            batch_size=8,
            lr=2e-4,
            lr_clips=clips,
            weight_decay=0.01,
            warmup_steps=200,
            clip_norm=5.0,
            ema_momentum=1e-3,
        ),
        checkpoint_every=500,
    )


DETECTION_PRESETS: dict[str, Callable[[str], TaskConfig]] = {
    "bevdet_r50_256x704": bevdet_r50_256x704,
    "uvtr_convnext_s_080": uvtr_convnext_s_080,
    "uvtr_convnext_s_060": uvtr_convnext_s_060,
}
"""By name; they take the name of the task, which is `detection`."""
