"""The options of the commands that exchange weights with other code; see `options.py`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mim4d.config import Vector3
from mim4d.exchange.official.describe import (
    FRAME_INTERVAL_S,
    NUSCENES_LIDAR_ORIGIN_M,
    NUSCENES_LIDAR_ROTATION_DEG,
)
from mim4d.options import PathArgument


@dataclass(frozen=True)
class Export:
    """Write a run's encoder for other frameworks, with a model card beside it.

    timm, torchvision: the image encoder as a model of theirs, loaded with strict=True.
    mmdet: image encoder and neck for detectors of the mmdet3d line (UVTR, BEVFormer, MapTR, ...).
    uvtr: the same under the names of UVTR's own ConvNeXt, with the depth head.
    safetensors: everything, for `mim4d.load_encoder`. docs/use_the_encoder.md has examples.
    """

    run: PathArgument
    """Folder of a finished run."""
    to: Literal["timm", "torchvision", "mmdet", "uvtr", "safetensors"]
    """Framework that shall load it."""
    out: Path | None = None
    """Folder, or file (.safetensors; .pth for mmdet and uvtr); by default RUN/export/FRAMEWORK."""
    overwrite: bool = False
    """Replace an earlier export."""


@dataclass(frozen=True)
class ImportOfficial:
    """Turn a checkpoint of MIM4D's authors into a run folder; no code in the file is run.

    Of the published pre-trainings the whole model is imported, of the fine-tuned detectors the
    image encoder. What became of every key is printed, and listed in OUT/import.txt.
    """

    file: PathArgument
    """Checkpoint (.pth) of the authors' release."""
    out: Path
    """Run folder to create."""
    weights: Literal["raw", "ema"] = "raw"
    """`ema` takes the averaged weights that the 0.1 m pre-training carries beside the raw ones."""
    frame_interval_s: float | None = FRAME_INTERVAL_S
    """Time between the frames of a clip, seconds; the authors' 12 Hz wants a data set with all
    camera images, `None` takes consecutive keyframes."""
    lidar_origin_m: Vector3 = NUSCENES_LIDAR_ORIGIN_M
    """Where the LiDAR, in whose axes the grid lies, is in ego axes; by default between those of
    nuScenes' two cars."""
    lidar_rotation_deg: Vector3 = NUSCENES_LIDAR_ROTATION_DEG
    """Roll, pitch and yaw of the LiDAR's axes in ego axes, degrees."""
