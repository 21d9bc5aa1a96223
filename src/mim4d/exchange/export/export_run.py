"""`mim4d export`: a finished run to a weights file for one framework, with its model card.

Everything is computed before the first file is written, and every file is there whole or not at
all.
"""

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from mim4d.config import PretrainConfig
from mim4d.exchange.export.card import model_card
from mim4d.exchange.export.export_files import ExportFiles, Target
from mim4d.exchange.export.exported import Exported
from mim4d.exchange.export.own import to_safetensors
from mim4d.exchange.export.to_mmdet import to_mmdet, to_uvtr
from mim4d.exchange.export.to_onnx import to_onnx
from mim4d.exchange.export.to_timm import to_timm
from mim4d.exchange.export.to_torchvision import to_torchvision
from mim4d.files import replacing, write_bytes, write_text
from mim4d.models.video_encoder import VideoEncoder
from mim4d.runs.loading import load_encoder
from mim4d.runs.record import read_config
from mim4d.version import installed_version


def export_run(
    run: Path, target: Target, out: Path | None = None, *, overwrite: bool = False
) -> tuple[list[Path], Exported]:
    """Export a run's encoder: averaged weights where the run has them, as evaluation uses.

    Args:
        run: Folder of a finished run.
        target: Framework that shall load it.
        out: Folder, or file whose ending is the target's; by default RUN/export/TARGET.
        overwrite: Replace files of an earlier export.

    Returns:
        The written files, and what was exported.

    Raises:
        ValueError: If the run is none or has not finished, the target has no such model, files are
            there already, or `out` is itself a run.
    """
    config = read_config(run)
    files = ExportFiles.of(run, target, out)
    if not overwrite:
        files.refuse_existing()
    exported = convert(load_encoder(run), config, target)
    card = model_card(run, config, exported, files.weights.name, files.norms.name)
    _write_weights(files.weights, exported, config)
    written = [files.weights]
    if exported.output_norms:
        write_bytes(files.norms, save(_plain(exported.output_norms)))
        written.append(files.norms)
    else:
        files.norms.unlink(missing_ok=True)
    if exported.config is not None and files.config is not None:
        write_text(files.config, exported.config)
        written.append(files.config)
    write_text(files.card, card)
    return [*written, files.card], exported


def convert(encoder: VideoEncoder, config: PretrainConfig, target: Target) -> Exported:
    """An encoder under the names of a target.

    Raises:
        ValueError: If the target has no such model.
        ImportError: If the target is of an extra that is not installed.
    """
    match target:
        case "timm":
            return to_timm(encoder.image_encoder, config.encoder)
        case "torchvision":
            return to_torchvision(encoder.image_encoder, config.encoder)
        case "mmdet":
            return to_mmdet(encoder, config.encoder)
        case "uvtr":
            return to_uvtr(encoder, config.encoder)
        case "onnx":
            return to_onnx(encoder.image_encoder, config.encoder)
        case "safetensors":
            return to_safetensors(encoder, config)


def _write_weights(path: Path, exported: Exported, config: PretrainConfig) -> None:
    if exported.content is not None:
        write_bytes(path, exported.content)
        return
    weights = _plain(exported.weights)
    if path.suffix == ".pth":
        about = {"mim4d_version": installed_version(), "preset": config.preset}
        with replacing(path) as temporary:
            torch.save({"meta": about, "state_dict": weights}, temporary)
    else:
        write_bytes(path, save(weights, {"format": "pt"} | exported.metadata))


def _plain(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU: files hold no views, and no tensor twice."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
