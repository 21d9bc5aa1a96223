"""Commands that exchange weights with other code: export and import-official."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument
from mim4d.config import Vector3
from mim4d.errors import need_extra
from mim4d.exchange.export.export_files import ExportFiles, Target
from mim4d.exchange.official.describe import (
    FRAME_INTERVAL_S,
    NUSCENES_LIDAR_ORIGIN_M,
    NUSCENES_LIDAR_ROTATION_DEG,
)


@dataclass(frozen=True)
class Export:
    """Write a run's encoder for other frameworks, with a model card beside it.

    - timm, torchvision: the image encoder as a model of theirs, loaded with strict=True.
    - mmdet: image encoder and neck for detectors of the mmdet3d line (UVTR, BEVFormer, MapTR, ...).
    - uvtr: the same under the names of UVTR's own ConvNeXt, with the depth head.
    - onnx: the image encoder as a graph, checked with ONNX Runtime (extra `onnx`).
    - safetensors: everything, for `mim4d.load_encoder`.

    The folders of timm and safetensors can be uploaded to a model hub as they are.
    docs/use_the_encoder.md has examples.
    """

    run: PathArgument
    """Folder of a finished run."""
    to: Target
    """Framework that will load the file."""
    out: Path | None = None
    """Folder, or file (.safetensors; .pth for mmdet and uvtr; .onnx); by default
    RUN/export/FRAMEWORK."""
    overwrite: bool = False
    """Replace an earlier export."""

    def check(self) -> None:
        """What is known at once."""
        at_once.existing(self.run)
        files = ExportFiles.of(self.run, self.to, self.out)
        at_once.output_file(files.weights, "--out")
        if not self.overwrite:
            files.refuse_existing()
        at_once.run_folder(self.run, "pretraining", finished=True)
        if self.to == "onnx":
            need_extra("onnx", "--to onnx")


def export(options: Export) -> None:
    """`mim4d export`."""
    from mim4d.exchange.export.export_run import export_run

    paths, exported = export_run(options.run, options.to, options.out, overwrite=options.overwrite)
    print(f"{exported.model}: {len(exported.weights)} tensors")
    for part in exported.left_out:
        print(f"not in it: {part}")
    for path in paths:
        print(path)


@dataclass(frozen=True)
class ImportOfficial:
    """Turn a checkpoint of MIM4D's authors into a run folder; no code in the file is run.

    Published pre-trainings and fine-tuned detectors are imported whole: to render, predict,
    evaluate and train on. The fate of every key is printed, and listed in OUT/import.txt.
    """

    file: PathArgument
    """Checkpoint (.pth) of the authors' release."""
    out: Path
    """Run folder to create."""
    weights: Literal["raw", "ema"] = "raw"
    """`ema` takes the averaged weights that the 0.1 m pre-training carries beside the raw ones."""
    frame_interval_s: float | None = FRAME_INTERVAL_S
    """Time between the frames of a clip, seconds; the authors' 12 Hz needs a data set with all
    camera images, `None` takes consecutive keyframes."""
    lidar_origin_m: Vector3 = NUSCENES_LIDAR_ORIGIN_M
    """Place of the LiDAR in ego axes; the grid lies in its axes. By default between those of
    nuScenes' two cars."""
    lidar_rotation_deg: Vector3 = NUSCENES_LIDAR_ROTATION_DEG
    """Roll, pitch and yaw of the LiDAR's axes in ego axes, degrees."""

    def check(self) -> None:
        """What is known at once."""
        at_once.existing(self.file)
        at_once.new_run(self.out)


def import_official(options: ImportOfficial) -> None:
    """`mim4d import-official`."""
    from mim4d.exchange.official.describe import published_metres
    from mim4d.exchange.official.run_folder import import_official as import_file

    metres_of = partial(
        published_metres,
        origin_m=options.lidar_origin_m,
        rotation_deg=options.lidar_rotation_deg,
        frame_interval_s=options.frame_interval_s,
    )
    print(import_file(options.file, options.out, options.weights, metres_of))
    print(options.out)
