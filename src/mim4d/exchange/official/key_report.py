"""What became of every key of an imported file, in words: a summary, and the whole list."""

from collections.abc import Mapping
from math import prod

from torch import Tensor

from mim4d.exchange.official.model import Imported
from mim4d.exchange.official.translate import Verdict


def summary(imported: Imported, state: Mapping[str, Tensor]) -> str:
    """What the file holds, and what became of it, part by part.

    Args:
        imported: The outcome.
        state: The state dict as it stood in the file.
    """
    config = imported.config
    what = "pre-training" if imported.is_pretraining else "detector"
    lines = [
        f"{what}: {config.encoder.name}, {config.clip.frames} frames, lifting by "
        f"{config.lift.method}, {' × '.join(map(str, config.grid.shape_xyz))} voxels"
    ]
    groups: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in imported.translation.verdicts:
        reason = "" if verdict.fate == "mapped" else verdict.detail
        groups.setdefault((verdict.fate, _part(verdict.name), reason), []).append(verdict)
    for fate in ("mapped", "dead", "unused"):
        for (group, part, reason), verdicts in groups.items():
            if group == fate:
                numbers = sum(prod(state[verdict.name].shape) for verdict in verdicts)
                line = f"  {fate:<7}{part:<17}{len(verdicts):>4} keys {numbers:>11,} numbers"
                lines.append(f"{line}  {reason}".rstrip())
    return "\n".join(lines)


def full_list(imported: Imported, state: Mapping[str, Tensor]) -> str:
    """One line per key: its fate, its name and shape, and our name or the reason."""
    lines = [
        f"{verdict.fate:<7} {verdict.name} {tuple(state[verdict.name].shape)} -> {verdict.detail}"
        for verdict in imported.translation.verdicts
    ]
    return "\n".join(lines) + "\n"


def _part(name: str) -> str:
    """The part of the detector that a key belongs to; averaged weights are a part of their own."""
    return "ema_*" if name.startswith("ema_") else name.split(".")[0]
