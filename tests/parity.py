"""Comparison with golden files, through one door that remembers what it saw.

`GoldenFile.check` compares a value of ours with a stored one as the files ask: the largest
difference, relative to the largest stored value. Each comparison goes into a ledger, from which
`pytest --parity PATH` writes the table of `docs/parity.md` (`make parity`).
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor


@dataclass(frozen=True)
class Comparison:
    """One stored tensor that was compared.

    Attributes:
        part: The part of ours, as a path below `src/mim4d`.
        file: Name of the golden file.
        name: Name of the tensor in it.
        tolerance: Largest difference that passes.
        difference: The difference found.
    """

    part: str
    file: str
    name: str
    tolerance: float
    difference: float

    @property
    def is_gradient(self) -> bool:
        """Whether a gradient was compared, or the length of one."""
        return "grad." in self.name or "gradnorm." in self.name


Ledger = list[Comparison]

LEFT_OUT = (
    ("neus_field", r"out\..*_from_density|out\.density", "of a density that only VolSDF renders"),
    ("voxel_pool_.*", r"out\.loss_depth", "a depth loss of weight 0; ours is another one"),
    ("render_head_rays", r"out\.frame\d\.scaled_points", "enter a loss of weight 0 only"),
    (".*_full_.*", r"out\..*backbone\.\d+", "of stages before the neck's `start_level`"),
    (
        "pretrain_.*",
        r"out\.grad(norm|\.weights)\.render_conv\.0\.bias",
        "zero in truth (a batch norm follows); that ours vanishes is tested",
    ),
)
"""Stored values that nothing of ours is compared with: file, name (patterns) and reason."""


def is_left_out(file: str, name: str) -> bool:
    """Whether a stored value has an entry in `LEFT_OUT`."""
    return any(re.fullmatch(f, file) and re.fullmatch(n, name) for f, n, _ in LEFT_OUT)


def stored_files(folder: Path) -> list[str]:
    """Names of the files that belong to pre-training, halves of one file as one."""
    names = {path.name.split(".")[0] for path in folder.glob("*.safetensors")}
    return sorted(names)


def stored_values(folder: Path, name: str) -> list[str]:
    """Names of the outputs and gradients of a file."""
    values = []
    for path in _paths(folder, name):
        with safe_open(path, framework="pt") as file:
            values += [key for key in file.keys() if key.startswith("out.")]  # noqa: SIM118
    return values


def is_read_stage(folder: Path, file: str, name: str) -> bool:
    """Whether a stored value is of a stage of the backbone that the file's neck reads."""
    stage = re.fullmatch(r"out\..*backbone\.(\d+)", name)
    if stage is None:
        return False
    config = load_golden(folder, file, "", []).config
    return int(stage[1]) >= config["img_neck"]["start_level"]


@dataclass(frozen=True)
class GoldenFile:
    """One golden file: `tensors` by full name, `meta` its string metadata.

    What a test builds and how much of it, it reads here: from `config`, the shapes and the names.
    """

    tensors: dict[str, Tensor]
    meta: dict[str, str]
    name: str = ""
    part_of_ours: str = ""
    ledger: Ledger = field(default_factory=list)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix.`, with the prefix removed."""
        head = f"{prefix}."
        return {k[len(head) :]: v for k, v in self.tensors.items() if k.startswith(head)}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The constructor arguments of the module whose numbers these are."""
        assert "config" in self.meta, f"{self.name}: has no `config` in its metadata"
        config: dict[str, Any] = json.loads(self.meta["config"])
        return config

    @cached_property
    def rounding(self) -> dict[str, float]:
        """What the file says that float32 itself loses, by name without `out.`."""
        stated: dict[str, float] = json.loads(self.meta.get("fp32_vs_fp64", "{}"))
        return stated

    def numbers(self, pattern: str) -> tuple[int, ...]:
        """Numbers that stand in the group of a pattern, over all tensors that fit, ascending."""
        found = (re.fullmatch(pattern, name) for name in self.tensors)
        numbers = tuple(sorted({int(match[1]) for match in found if match}))
        assert numbers, f"{self.name}: has no tensor named {pattern}"
        return numbers

    def series(self, prefix: str) -> list[Tensor]:
        """The tensors `prefix.0`, `prefix.1`, ... in their order."""
        numbers = self.numbers(rf"{re.escape(prefix)}\.(\d+)")
        return [self.tensors[f"{prefix}.{k}"] for k in numbers]

    def tolerance_for(self, name: str, tolerance: float) -> float:
        """The tolerance, or ten times what the file says that float32 itself loses there.

        The files ask for the latter where that is much. Half of the tolerance is taken for much,
        so that it stays what the test says wherever float32 allows it.
        """
        stated = self.rounding.get(name.removeprefix("out."), 0.0)
        return tolerance if stated <= tolerance / 2 else 10 * stated

    def check(
        self,
        name: str,
        actual: Tensor,
        tolerance: float = 1e-4,
        like: Callable[[Tensor], Tensor] | None = None,
        floor: float = 1e-12,
    ) -> None:
        """Compare a value with the stored tensor `name`: max |a − b| / max |b|.

        Args:
            name: Full name, e.g. `out.loss`.
            actual: Our value, in the stored layout and unit.
            tolerance: Largest difference that passes; see `tolerance_for`.
            like: What makes the stored tensor comparable, e.g. a reshape or a choice of rows.
            floor: Least scale of the comparison, for values whose truth is zero.
        """
        assert name in self.tensors, f"{self.name}: lacks {name}"
        tolerance = self.tolerance_for(name, tolerance)
        expected = self.tensors[name] if like is None else like(self.tensors[name])
        difference = relative_difference(actual, expected, floor)
        self.ledger.append(Comparison(self.part_of_ours, self.name, name, tolerance, difference))
        assert difference <= tolerance, (
            f"{self.name}: {name}: relative difference {difference:.2e} > {tolerance:.0e}"
        )


def relative_difference(actual: Tensor, expected: Tensor, floor: float = 1e-12) -> float:
    """Max |a − b| / max |b|; of masks and indices, the share that differs."""
    assert actual.shape == expected.shape, (tuple(actual.shape), tuple(expected.shape))
    if not expected.is_floating_point():
        return (actual != expected).float().mean().item()
    scale = expected.abs().max().clamp(min=floor)
    return ((actual.detach() - expected).abs().max() / scale).item()


def load_golden(folder: Path, name: str, part_of_ours: str, ledger: Ledger) -> GoldenFile:
    """Load `NAME.safetensors`, or both halves of a file that was split in two."""
    tensors: dict[str, Tensor] = {}
    meta: dict[str, str] = {}
    for path in _paths(folder, name):
        with safe_open(path, framework="pt") as file:
            tensors |= {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
            meta |= file.metadata() or {}
    return GoldenFile(tensors, meta, name, part_of_ours, ledger)


def _paths(folder: Path, name: str) -> list[Path]:
    whole = folder / f"{name}.safetensors"
    if whole.is_file():
        return [whole]
    return [folder / f"{name}.{half}.safetensors" for half in ("in", "out")]
