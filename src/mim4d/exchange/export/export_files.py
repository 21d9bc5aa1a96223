"""Where the files of an export lie, known without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mim4d.runs.run_files import ENCODER_FILE, EXPORTED_FILE

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
    def of(cls, run: Path, target: Target, out: Path | None = None) -> "ExportFiles":
        """Names in a folder, or around a file.

        Args:
            run: Folder of the run.
            target: Framework that shall load it.
            out: Folder, or file whose ending is the target's; by default RUN/export/TARGET.

        Raises:
            ValueError: If the file has not the target's ending, or `out` is itself a run.
        """
        out = run / "export" / target if out is None else out
        if (out / ENCODER_FILE).is_file():
            raise ValueError(
                f"--out {out}: is a run, whose files an export would replace; name another"
            )
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

    def refuse_existing(self) -> None:
        """Refuse to replace any of them.

        Raises:
            ValueError: If one is there.
        """
        for path in (self.weights, self.norms, self.config, self.card):
            if path is not None and path.exists():
                raise ValueError(
                    f"{path}: already exists; choose another --out, or replace it with --overwrite"
                )
