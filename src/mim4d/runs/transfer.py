"""Weights of one run's encoder into another model's, part by part, and what became of each.

Names and shapes decide: what both have is taken; what only the source has is left; what only the
model has stays new. Nothing is resized.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mim4d.build.trunk import without_weights_file
from mim4d.config import RunConfig, TrunkConfig
from mim4d.runs.loading import embedded_config, encoder_file
from mim4d.runs.record import config_differences, read_run_config
from mim4d.tasks.model import TaskModel

_PARTS = {
    "image_encoder": "image encoder",
    "neck": "neck",
    "depth_head": "depth head",
    "volume_conv": "volume convolution",
}
_OTHER = "other"
_COMPARED = ("grid", "encoder", "lift", "conventions")


@dataclass(frozen=True)
class PartTransfer:
    """Weights (tensors) of one part: taken over, left in the source, new in the model."""

    taken: int
    left: int
    new: int


@dataclass(frozen=True)
class Transfer:
    """What a model took from a source.

    Attributes:
        source: Run folder or file.
        parts: By name.
        differences: Options of the trunk in which source and model differ, as far as known.
    """

    source: Path
    parts: dict[str, PartTransfer]
    differences: list[str]

    def __str__(self) -> str:
        lines = [f"from {self.source}:"]
        for name, part in self.parts.items():
            lines.append(f"  {name:<18} {part.taken:4} taken {part.left:4} left {part.new:4} new")
        if self.differences:
            lines.append(f"  other options there / here: {', '.join(self.differences)}")
        return "\n".join(lines)


def transfer(model: TaskModel, config: TrunkConfig, source: Path) -> Transfer:
    """Give a model's encoder the weights of a finished run or an exported file.

    Args:
        model: Its encoder's weights are replaced where the source has them; its head stays new.
        config: Of the model.
        source: Run folder of any kind, or a safetensors file under our own names.

    Raises:
        ValueError: If the source is neither, a weight has another shape, or none is taken.
    """
    theirs, weights = _read(source)
    own = model.encoder.state_dict()
    _refuse_misfits(source, weights, own)
    common = weights.keys() & own.keys()
    if not common:
        raise ValueError(
            f"--init {source}: none of its {len(weights)} weights is one of this encoder's "
            f"{len(own)} (the first are {min(weights, default='none')} and {min(own)}); give a run "
            "folder or what `mim4d export RUN --to safetensors` wrote (a backbone under timm's "
            "names goes to --encoder.weights-file, with --init none)"
        )
    model.encoder.load_state_dict({**own, **{name: weights[name] for name in common}})
    parts = _count(weights, own) | {"head": PartTransfer(0, 0, len(model.head.state_dict()))}
    return Transfer(source, parts, [] if theirs is None else _trunk_differences(theirs, config))


def _read(source: Path) -> tuple[RunConfig | None, dict[str, Tensor]]:
    """Configuration, where it is known, and weights."""
    if source.is_dir():
        return read_run_config(source), load_file(encoder_file(source))
    if not source.is_file():
        raise ValueError(
            f"--init {source}: not found; expected a run folder, a .safetensors file, or none"
        )
    try:
        weights = load_file(source)
    except SafetensorError as error:
        raise ValueError(f"--init {source}: cannot be read as safetensors ({error})") from error
    try:
        return embedded_config(source), weights
    except ValueError:  # a run's own encoder.safetensors, or weights of somebody else
        return None, weights


def _refuse_misfits(source: Path, weights: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    misfits = [name for name in own if name in weights and weights[name].shape != own[name].shape]
    if misfits:
        name = misfits[0]
        raise ValueError(
            f"--init {source}: {len(misfits)} of its weights have another shape than this "
            f"encoder's, the first being {name}: {tuple(weights[name].shape)} there, "
            f"{tuple(own[name].shape)} here; choose the preset, or the options --encoder.*, "
            "--lift.* and --grid.*, that it was trained with"
        )


def _count(weights: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, PartTransfer]:
    counts: dict[str, list[int]] = {name: [0, 0, 0] for name in _PARTS.values()}
    for name in sorted(weights.keys() | own.keys()):
        part = counts.setdefault(_PARTS.get(name.partition(".")[0], _OTHER), [0, 0, 0])
        part[0 if name in weights and name in own else 1 if name in weights else 2] += 1
    return {name: PartTransfer(*part) for name, part in counts.items()}


def _trunk_differences(theirs: TrunkConfig, ours: TrunkConfig) -> list[str]:
    """Options that decide what the weights mean, without those of where they came from."""
    a, b = (_bare(config) for config in (theirs, ours))
    return [d for d in config_differences(a, b) if d.partition(".")[0] in _COMPARED]


def _bare(config: TrunkConfig) -> RunConfig:
    values = {field.name: getattr(config, field.name) for field in fields(TrunkConfig)}
    return RunConfig(**{**values, "encoder": without_weights_file(config).encoder})
