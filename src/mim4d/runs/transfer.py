"""Weights of one run's trunk into another model's, part by part, and what became of each.

Names and shapes decide: what both have is taken; what only the source has is left; what only the
model has stays new. Nothing is resized.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mim4d.build.trunk import without_weights_file
from mim4d.config import RunConfig, TaskConfig, TrunkConfig
from mim4d.runs.checkpoint import latest_checkpoint
from mim4d.runs.loading import embedded_config, encoder_file, newest_weights
from mim4d.runs.record import config_differences, read_run_config
from mim4d.tasks.model import TaskModel

_PARTS = {
    "encoder.image_encoder.": "image encoder",
    "encoder.neck.": "neck",
    "encoder.depth_head.": "depth head",
    "encoder.volume_conv.": "volume convolution",
    "join.decoder.": "temporal decoder",
    "join.scene_flow.": "scene flow",
}
_ALWAYS_SHOWN = tuple(_PARTS.values())[:4]
_TEMPORAL = ("decoder.", "scene_flow.")
"""Parts of a pre-training model that a task has below `join`."""
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
        taken: Names of the model's weights that were taken.
    """

    source: Path
    parts: dict[str, PartTransfer]
    differences: list[str]
    taken: frozenset[str]

    def __str__(self) -> str:
        lines = [f"from {self.source}:"]
        for name, part in self.parts.items():
            lines.append(f"  {name:<18} {part.taken:4} taken {part.left:4} left {part.new:4} new")
        if self.differences:
            lines.append(f"  other options there / here: {', '.join(self.differences)}")
        return "\n".join(lines)


def transfer(
    model: TaskModel, config: TrunkConfig, source: Path, parts: Collection[str] | None = None
) -> Transfer:
    """Give a model's trunk the weights of a finished run or an exported file.

    Args:
        model: The weights below its head are replaced where the source has them.
        config: Of the model.
        source: Run folder of any kind, or a safetensors file under our own names. Only a folder
            has what rebuilds a frame from others.
        parts: Names of the parts that are taken, such as `image encoder`; None takes all.

    Raises:
        ValueError: If the source is neither, a weight has another shape, or none is taken.
    """
    theirs, weights = _read(source, with_temporal=bool(model.join.state_dict()))
    weights = {n: value for n, value in weights.items() if parts is None or _part_of(n) in parts}
    own = {
        name: value for name, value in model.state_dict().items() if not name.startswith("head.")
    }
    _refuse_misfits(source, weights, own)
    common = weights.keys() & own.keys()
    if not common:
        raise ValueError(
            f"--init {source}: none of its {len(weights)} weights is one of this encoder's "
            f"{len(own)} (the first are {_bare_name(min(weights, default='none'))} and "
            f"{_bare_name(min(own))}); give a run folder or what `mim4d export RUN --to "
            "safetensors` wrote (a backbone under timm's names goes to --encoder.weights-file, "
            "with --init none)"
        )
    model.load_state_dict({name: weights[name] for name in common}, strict=False)
    counts = _count(weights, own) | {"head": PartTransfer(0, 0, len(model.head.state_dict()))}
    differences = [] if theirs is None else _trunk_differences(theirs, config)
    return Transfer(source, counts, differences, frozenset(common))


def _read(source: Path, with_temporal: bool) -> tuple[RunConfig | None, dict[str, Tensor]]:
    """Configuration, where it is known, and weights under a task model's names."""
    if source.is_dir():
        config, weights = read_run_config(source), _of_encoder(encoder_file(source))
        return config, weights | (_read_temporal(source, config) if with_temporal else {})
    if not source.is_file():
        raise ValueError(
            f"--init {source}: not found; expected a run folder, a .safetensors file, or none"
        )
    weights = _of_encoder(source)
    try:
        return embedded_config(source), weights
    except ValueError:  # a run's own encoder.safetensors, or weights of somebody else
        return None, weights


def _of_encoder(file: Path) -> dict[str, Tensor]:
    try:
        return {f"encoder.{name}": value for name, value in load_file(file).items()}
    except SafetensorError as error:
        raise ValueError(f"--init {file}: cannot be read as safetensors ({error})") from error


def _bare_name(name: str) -> str:
    return name.removeprefix("encoder.")


def _read_temporal(run: Path, config: RunConfig) -> dict[str, Tensor]:
    """What rebuilds frames, of a pre-training or of a task that went on with one."""
    if latest_checkpoint(run) is None:
        return {}
    weights = newest_weights(run, config)
    if isinstance(config, TaskConfig):
        return {name: value for name, value in weights.items() if name.startswith("join.")}
    return {f"join.{name}": value for name, value in weights.items() if name.startswith(_TEMPORAL)}


def _refuse_misfits(source: Path, weights: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    misfits = [name for name in own if name in weights and weights[name].shape != own[name].shape]
    if misfits:
        name = misfits[0]
        raise ValueError(
            f"--init {source}: {len(misfits)} of its weights have another shape than this "
            f"encoder's, the first being {_bare_name(name)}: {tuple(weights[name].shape)} there, "
            f"{tuple(own[name].shape)} here; choose the preset, or the options --encoder.*, "
            "--lift.*, --temporal.* and --grid.*, that it was trained with; a run folder in the "
            "place of the preset has them, as in `mim4d finetune TASK RUN`"
        )


def _count(weights: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, PartTransfer]:
    counts: dict[str, list[int]] = {part: [0, 0, 0] for part in _ALWAYS_SHOWN}
    for name in sorted(weights.keys() | own.keys(), key=_order):
        part = counts.setdefault(_part_of(name), [0, 0, 0])
        part[0 if name in weights and name in own else 1 if name in weights else 2] += 1
    return {name: PartTransfer(*part) for name, part in counts.items()}


def _part_of(name: str) -> str:
    found = [part for start, part in _PARTS.items() if name.startswith(start)]
    return found[0] if found else _OTHER


def _order(name: str) -> tuple[int, str]:
    return [*_PARTS.values(), _OTHER].index(_part_of(name)), name


def _trunk_differences(theirs: TrunkConfig, ours: TrunkConfig) -> list[str]:
    """Options that decide what the weights mean, without those of where they came from."""
    a, b = (_bare(config) for config in (theirs, ours))
    return [d for d in config_differences(a, b) if d.partition(".")[0] in _COMPARED]


def _bare(config: TrunkConfig) -> RunConfig:
    values = {field.name: getattr(config, field.name) for field in fields(TrunkConfig)}
    return RunConfig(**{**values, "encoder": without_weights_file(config).encoder})
