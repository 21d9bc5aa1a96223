"""The configuration of a run: frozen dataclasses, one file for each stage of the data flow.

Plain numbers only: this room imports no torch, so that `--help` answers at once. `TrunkConfig` is
what every model shares, `RunConfig` adds how it is trained, `PretrainConfig` and `TaskConfig` what
a pre-training and a task do with it. A run is a preset, a function in `presets` that returns a
complete configuration; `as_json` writes and reads it, and the room `build` turns it into objects.
"""

from mim4d.config.augment import AugmentConfig
from mim4d.config.clip import ClipConfig
from mim4d.config.conventions import ConventionConfig
from mim4d.config.encoder import EncoderConfig
from mim4d.config.flow import FlowConfig
from mim4d.config.grid import GridConfig
from mim4d.config.head import BevTrunkConfig, CellsHeadConfig, HeadConfig, SegmentationHeadConfig
from mim4d.config.lift import LiftConfig
from mim4d.config.loss import LossConfig
from mim4d.config.mask import MaskConfig
from mim4d.config.optim import OptimConfig
from mim4d.config.photometric import PhotometricConfig
from mim4d.config.pretrain import PretrainConfig
from mim4d.config.render import RenderConfig
from mim4d.config.run import RunConfig
from mim4d.config.task import TaskConfig
from mim4d.config.temporal import TemporalConfig
from mim4d.config.trunk import TrunkConfig
from mim4d.config.values import Device, Precision, Vector3

__all__ = [
    "AugmentConfig",
    "BevTrunkConfig",
    "CellsHeadConfig",
    "ClipConfig",
    "ConventionConfig",
    "Device",
    "EncoderConfig",
    "FlowConfig",
    "GridConfig",
    "HeadConfig",
    "LiftConfig",
    "LossConfig",
    "MaskConfig",
    "OptimConfig",
    "PhotometricConfig",
    "Precision",
    "PretrainConfig",
    "RenderConfig",
    "RunConfig",
    "SegmentationHeadConfig",
    "TaskConfig",
    "TemporalConfig",
    "TrunkConfig",
    "Vector3",
]
