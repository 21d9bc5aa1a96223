"""Checkpoints: written whole or not at all, read without running code from them.

A run keeps its newest checkpoints under `checkpoints/`, named by optimiser step; what users
exchange are safetensors (`encoder.safetensors`).
"""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from mim4d.files import replacing
from mim4d.runs.run_files import (
    BEST,
    ENCODER_FILE,
    best_checkpoint,
    checkpoint_path,
    latest_checkpoint,
    prune_checkpoints,
)

__all__ = [
    "AVERAGED",
    "BEST",
    "ENCODER_FILE",
    "AtomicCheckpointIO",
    "best_checkpoint",
    "checkpoint_path",
    "latest_checkpoint",
    "load_checkpoint",
    "prune_checkpoints",
]
AVERAGED = "averaged_state_dict"
"""Averaged weights in a checkpoint, named as those of `state_dict`, which stay the raw ones."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name, flushes to disk and renames; loads plain tensors only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Save so that a kill at any moment leaves the previous files or the whole new one."""
        assert storage_options is None, "no storage options are supported"
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = lambda storage, _: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Load tensors and plain values; `weights_only` is always on."""
        return load_checkpoint(Path(path), map_location)


def load_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint of ours.

    Raises:
        ValueError: If the file is truncated, holds anything but tensors and plain values, or is
            not a checkpoint of this project.
    """
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__}); it is damaged or "
            "holds more than tensors. Remove it to go back to the one before"
        ) from error
    if not isinstance(checkpoint, dict) or "mim4d_config" not in checkpoint:
        raise ValueError(f"{path}: not a checkpoint of a mim4d pre-training run")
    return checkpoint
