"""Where the files of a run folder lie. Imports no torch."""

from pathlib import Path

ENCODER_FILE = "encoder.safetensors"
EXPORTED_FILE = "model.safetensors"
"""The weights in a folder that `mim4d export --to safetensors` wrote, by Hugging Face's name."""
BEST = "best.ckpt"
"""The checkpoint with the least loss on held-out clips so far, beside the newest ones."""
_KEPT = 2


def checkpoint_path(run: Path, step: int) -> Path:
    """Where the checkpoint after `step` optimiser steps lies."""
    return run / "checkpoints" / f"step-{step:07d}.ckpt"


def latest_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint of a run, if there is one."""
    found = sorted((run / "checkpoints").glob("step-*.ckpt"))
    return found[-1] if found else None


def prune_checkpoints(run: Path) -> None:
    """Delete all but the newest checkpoints."""
    for path in sorted((run / "checkpoints").glob("step-*.ckpt"))[:-_KEPT]:
        path.unlink()


def best_checkpoint(run: Path) -> Path:
    """Where the checkpoint with the least validation loss lies, if the run validates."""
    return run / "checkpoints" / BEST
