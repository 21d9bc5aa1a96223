"""`mim4d export`: a finished run to a weights file for one framework, with its model card.

Everything is computed before the first file is written, and every file is there whole or not at
all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import Tensor

import mim4d
from mim4d.config import PretrainConfig
from mim4d.exchange.export.card import model_card
from mim4d.exchange.export.exported import Exported
from mim4d.exchange.export.own import to_safetensors
from mim4d.exchange.export.to_mmdet import to_mmdet, to_uvtr
from mim4d.exchange.export.to_onnx import to_onnx
from mim4d.exchange.export.to_timm import to_timm
from mim4d.exchange.export.to_torchvision import to_torchvision
from mim4d.files import replacing, write_bytes, write_text
from mim4d.models.video_encoder import VideoEncoder
from mim4d.runs.checkpoint import ENCODER_FILE
from mim4d.runs.loading import load_encoder
from mim4d.runs.record import read_config
from mim4d.runs.run_files import EXPORTED_FILE

Target = Literal["timm", "torchvision", "mmdet", "uvtr", "onnx", "safetensors"]
# mmcv and mmengine read files of `torch.save` only.
_WEIGHTS_FILE: dict[Target, str] = {"mmdet": "model.pth", "uvtr": "model.pth", "onnx": "model.onnx"}
_WITH_CONFIG: tuple[Target, ...] = ("timm", "safetensors")
"""Targets whose folders have Hugging Face's layout."""
_ENDINGS = (".pth", ".safetensors", ".onnx", ".pt", ".bin")


@dataclass(frozen=True)
class ExportFiles:
    """Names of what an export writes.

    Attributes:
        weights: The weights file.
        norms: Norms of the outputs, for frameworks that have no place for them.
        config: What the weights belong to, in a folder of Hugging Face's layout.
        card: The model card.
    """

    weights: Path
    norms: Path
    config: Path | None
    card: Path

    @classmethod
    def of(cls, out: Path, target: Target) -> "ExportFiles":
        """Names in a folder, or around a file.

        Raises:
            ValueError: If the file has not the target's ending.
        """
        weights = Path(_WEIGHTS_FILE.get(target, EXPORTED_FILE))
        if out.suffix in _ENDINGS:
            if out.suffix != weights.suffix:
                raise ValueError(
                    f"--out {out}: expected a file that ends in {weights.suffix}, which --to "
                    f"{target} is loaded from, or a folder"
                )
            norms = out.with_name(f"{out.stem}.output_norms.safetensors")
            return cls(out, norms, None, out.with_name(f"{out.stem}.README.md"))
        norms = out / "output_norms.safetensors"
        config = out / "config.json" if target in _WITH_CONFIG else None
        return cls(out / weights, norms, config, out / "README.md")


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
    if out is not None and (out / ENCODER_FILE).is_file():
        raise ValueError(
            f"--out {out}: is a run, whose files an export would replace; name another"
        )
    files = ExportFiles.of(run / "export" / target if out is None else out, target)
    if not overwrite:
        _refuse_existing(files)
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


def _refuse_existing(files: ExportFiles) -> None:
    for path in (files.weights, files.norms, files.config, files.card):
        if path is not None and path.exists():
            raise ValueError(
                f"{path}: already exists; choose another --out, or replace it with --overwrite"
            )


def _write_weights(path: Path, exported: Exported, config: PretrainConfig) -> None:
    if exported.content is not None:
        write_bytes(path, exported.content)
        return
    weights = _plain(exported.weights)
    if path.suffix == ".pth":
        about = {"mim4d_version": mim4d.__version__, "preset": config.preset}
        with replacing(path) as temporary:
            torch.save({"meta": about, "state_dict": weights}, temporary)
    else:
        write_bytes(path, save(weights, {"format": "pt"} | exported.metadata))


def _plain(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU: files hold no views, and no tensor twice."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
