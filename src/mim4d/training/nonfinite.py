"""Stops a run whose loss or gradient is not finite, before the weights are touched.

What enters are the clips and losses of one optimiser step of one process; what leaves is a file of
plain tensors and an error that says what happened and what to do. Images cannot be the cause by
themselves (they are whole numbers), LiDAR points, poses and intrinsics can.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mim4d.data.clip import Clip, collate
from mim4d.errors import NonFiniteError
from mim4d.files import replacing

GRADIENT_NORM = "grad_norm"
_KEPT_KINDS = (Tensor, int, str)
_LEFT_OUT = ("maps", "surfaces")
"""Fields that hold records, which a safe reader does not make."""


@dataclass(frozen=True)
class StepBatches:
    """What one process computed in one optimiser step.

    Attributes:
        step: Optimiser step.
        seed: Of the run.
        rank: Number of the process.
        clips: Batch of each micro-step.
        losses: Losses of each micro-step by name.
    """

    step: int
    seed: int
    rank: int
    clips: Sequence[Clip]
    losses: Sequence[dict[str, Tensor]]


def check_finite(
    outcome: dict[str, float],
    batches: StepBatches,
    run: Path,
    gather: Callable[[str], list[str]] = lambda text: [text],
) -> None:
    """Pass if every value is finite; else save what this process computed and stop.

    Args:
        outcome: Mean losses over all micro-steps and processes and the gradient's norm: equal in
            all processes, so that all stop together.
        batches: This process's share of the step.
        run: Run folder; the file is written under `nan/`.
        gather: A text of this process to those of all.

    Raises:
        NonFiniteError: If a value is not finite.
    """
    bad = [name for name, value in outcome.items() if not math.isfinite(value)]
    if not bad:
        return
    found = _save_suspects(batches, run, only_gradient=bad == [GRADIENT_NORM])
    where = "; ".join(text for text in gather(found) if text)
    raise NonFiniteError(
        f"step {batches.step}: NaN or infinite: {', '.join(bad)}. It comes from {where}. The "
        "weights were not changed, and the checkpoints are good. Look at the clips with "
        "mim4d.training.nonfinite.load_batch(FILE). If poses, intrinsics or points are NaN or "
        "infinite, repair the data and continue with --resume. If the data are sound, start a new "
        "run with a lower --optim.lr or with --precision fp32"
    )


def _save_suspects(batches: StepBatches, run: Path, only_gradient: bool) -> str:
    """Save the micro-steps whose losses are not finite, and say which; "" if there are none.

    Where only the gradient is not finite, any may be the cause.
    """
    suspects = [
        i
        for i, losses in enumerate(batches.losses)
        if only_gradient or not all(bool(torch.isfinite(value)) for value in losses.values())
    ]
    if not suspects:
        return ""
    path = run / "nan" / f"step-{batches.step:07d}-rank-{batches.rank}.pt"
    _save(path, batches, suspects)
    clips = [batches.clips[i] for i in suspects]
    scenes = [name for clip in clips for name in clip.scene_names]
    tokens = [token for clip in clips for token in clip.key_tokens]
    names = ", ".join(f"{s} {t}" for s, t in zip(scenes, tokens, strict=True))
    return f"{'clip' if len(tokens) == 1 else 'one of the clips'} {names} (saved as {path})"


def load_batch(path: str | Path) -> tuple[Clip, dict[str, Any]]:
    """The clips of a saved step, and its facts: step, seed, rank, losses.

    Raises:
        ValueError: If the file is not one that `check_finite` wrote.
    """
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(saved, dict) or "clip" not in saved:
        raise ValueError(f"{path}: not a batch saved from a step with NaN or infinite losses")
    clip: dict[str, Any] = saved.pop("clip")
    clip = {name: tuple(v) if isinstance(v, list) else v for name, v in clip.items()}
    return Clip(**_unknown_then(clip) | clip), saved


def _unknown_then(clip: dict[str, Any]) -> dict[str, Any]:
    """Fields that clips did not have in earlier versions, as if the annotation did not say."""
    classes = clip["box_classes"]
    number = 1 + int(classes.max()) if classes.numel() else 0
    return {
        "box_lidar_points": torch.full_like(classes, -1),
        "box_visibility": torch.zeros_like(classes),
        "category_names": tuple(f"class {index}" for index in range(number)),
    }


def _save(path: Path, batches: StepBatches, suspects: list[int]) -> None:
    """Plain tensors, numbers and texts only; maps and surfaces are left out."""
    clip = collate([batches.clips[i].to("cpu") for i in suspects])
    facts: dict[str, Any] = {
        "step": batches.step,
        "seed": batches.seed,
        "rank": batches.rank,
        "losses": [{k: v.item() for k, v in batches.losses[i].items()} for i in suspects],
        "clip": {},
    }
    for field in fields(Clip):
        value = getattr(clip, field.name)
        if isinstance(value, _KEPT_KINDS):
            facts["clip"][field.name] = value
        elif field.name not in _LEFT_OUT and value is not None:
            facts["clip"][field.name] = list(value)
    with replacing(path) as temporary:
        torch.save(facts, temporary)
