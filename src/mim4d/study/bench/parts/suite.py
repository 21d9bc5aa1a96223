"""`mim4d bench parts`: every part beside its twin, or beside another checkout, as numbers."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mim4d.study.bench.parts.alternate import Comparison, compare
from mim4d.study.bench.parts.machine import Machine, measure_machine
from mim4d.study.bench.parts.parameters import PARTS, Parameters
from mim4d.study.bench.parts.scaling import AXES, Growth, growth
from mim4d.study.bench.parts.sides import Side

# The twin's whole step computes nothing again: some 30 GiB at the published shapes.
_TOO_LARGE = {("official_080", "step")}
# The demo's image encoder and depth head have no twin: nothing published is their like.
_WITHOUT_TWIN = {("demo", "encoder"), ("demo", "neck_depth")}


@dataclass(frozen=True)
class Suite:
    """What was measured in one run.

    Attributes:
        machine: Where.
        comparisons: By part, forward and forward + backward.
        growths: How time grows with sizes.
    """

    machine: Machine
    comparisons: tuple[Comparison, ...]
    growths: tuple[Growth, ...]

    def to_json(self) -> str:
        """For `mim4d bench report`."""
        values: dict[str, Any] = {
            "machine": asdict(self.machine),
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "growths": [asdict(found) for found in self.growths],
        }
        return json.dumps(values, indent=2) + "\n"

    @property
    def roofline(self) -> list[str]:
        """What share of the machine's matrix product each part reaches."""
        lines = [str(self.machine)]
        for comparison in self.comparisons:
            if comparison.flops is None:
                continue
            rate = comparison.flops / comparison.cpu_s[0].median / 1e9
            share = rate / self.machine.product_gflop_s
            lines.append(
                f"{comparison.parameters.part:<12}{comparison.way:<19}"
                f"{comparison.flops / 1e9:>9.1f} GFLOP {rate:>7.1f} GFLOP/s {share:>6.1%}"
            )
        return lines


def default_parts(shapes: str, with_twin: bool) -> tuple[str, ...]:
    """The parts that are measured if none is named."""
    left_out = _TOO_LARGE | _WITHOUT_TWIN if with_twin else set()
    return tuple(part for part in PARTS if (shapes, part) not in left_out)


def bench_parts(
    shapes: str,
    *,
    parts: tuple[str, ...] = (),
    threads: int = 1,
    rounds: int = 5,
    precision: str = "fp32",
    against: Path | None = None,
    axes: tuple[str, ...] = tuple(AXES),
    tell: Callable[[str], None] = lambda line: None,
) -> Suite:
    """Measure.

    Args:
        shapes: See `Parameters`.
        parts: Which; by default all that can be compared at these shapes.
        threads: Threads of torch on each side.
        rounds: Measured runs of each side.
        precision: See `Parameters`.
        against: Another checkout in the place of the twins.
        axes: Sizes whose growth is measured.
        tell: Gets every finished line.

    Raises:
        ValueError: If a part, a shape or a checkout does not exist.
    """
    twin = Side("twin", twin=True)
    other = twin if against is None else Side.of_checkout("old", against)
    asked = [
        Parameters(part, shapes, threads=threads, precision=precision)
        for part in parts or default_parts(shapes, against is None)
    ]
    machine = measure_machine(threads)
    tell(str(machine))
    comparisons: list[Comparison] = []
    for parameters in asked:
        for comparison in compare(parameters, Side("library"), other, rounds=rounds):
            comparisons.append(comparison)
            tell(str(comparison))
    growths = []
    for axis in axes:
        growths.append(growth(axis, shapes, threads))
        tell(str(growths[-1]))
    return Suite(machine, tuple(comparisons), tuple(growths))
