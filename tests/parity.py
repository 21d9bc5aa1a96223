"""Comparison with golden files, through one door that remembers what it saw.

`GoldenFile.check` compares a value of ours with a stored one as the files ask: the largest
difference, relative to the largest stored value. Each comparison goes into a ledger, from which
`pytest --parity PATH` writes the table of `docs/parity.md` (`make parity`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

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

ELSEWHERE = ("uvtr_head", "uvtr_dn_head")
"""Files of the detection heads, which pre-training does not have."""

LEFT_OUT = (
    ("neus_field", r"out\..*_from_density|out\.density", "of a density that only VolSDF renders"),
    ("voxel_pool_.*", r"out\.loss_depth", "a depth loss of weight 0; ours is another one"),
    ("render_head_rays", r"out\.frame\d\.scaled_points", "enter a loss of weight 0 only"),
    ("pretrain_full_a|finetune_full_a", r"out\..*backbone\.0", "of a stage that nothing reads"),
    (
        "pretrain_.*",
        r"out\.grad(norm|\.weights)\.render_conv\.0\.bias",
        "zero in truth (a batch norm follows); that ours vanishes is tested",
    ),
    ("finetune_full_.*", r"out\.(all_.*|decoded\..*)", "of the detection head"),
)
"""Stored values that nothing of ours is compared with: file, name (patterns) and reason."""


def is_left_out(file: str, name: str) -> bool:
    """Whether a stored value has an entry in `LEFT_OUT`."""
    return any(re.fullmatch(f, file) and re.fullmatch(n, name) for f, n, _ in LEFT_OUT)


def stored_files(folder: Path) -> list[str]:
    """Names of the files that belong to pre-training, halves of one file as one."""
    names = {path.name.split(".")[0] for path in folder.glob("*.safetensors")}
    return sorted(names - set(ELSEWHERE))


def stored_values(folder: Path, name: str) -> list[str]:
    """Names of the outputs and gradients of a file."""
    values = []
    for path in _paths(folder, name):
        with safe_open(path, framework="pt") as file:
            values += [key for key in file.keys() if key.startswith("out.")]  # noqa: SIM118
    return values


@dataclass(frozen=True)
class GoldenFile:
    """One golden file: `tensors` by full name, `meta` its string metadata."""

    tensors: dict[str, Tensor]
    meta: dict[str, str]
    name: str = ""
    part_of_ours: str = ""
    ledger: Ledger = field(default_factory=list)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix.`, with the prefix removed."""
        head = f"{prefix}."
        return {k[len(head) :]: v for k, v in self.tensors.items() if k.startswith(head)}

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
            tolerance: Largest difference that passes.
            like: What makes the stored tensor comparable, e.g. a reshape or a choice of rows.
            floor: Least scale of the comparison, for values whose truth is zero.
        """
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
