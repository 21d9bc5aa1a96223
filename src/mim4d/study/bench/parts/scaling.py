"""How the time of a part grows with its size: the exponent of a power law."""

import math
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from mim4d.study.bench.parts.parameters import Parameters
from mim4d.study.bench.parts.sides import Side, one_side

AXES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "rays": ("render", "rays", (1536, 3072, 6144)),
    "samples": ("render", "samples", (24, 48, 96)),
    "frames": ("lift_lookup", "frames", (1, 2, 4)),
    "cameras": ("lift_lookup", "cameras", (2, 4, 8)),
    "voxels": ("lift_lookup", "voxels", (64, 90, 128)),
    "batch": ("decoder", "batch", (1, 2, 4)),
}
"""What is varied: in which part, under which name of `Parameters`, over which sizes."""
_OTHERS: dict[str, dict[str, int]] = {
    "samples": {"rays": 2048},
    "batch": {"voxels": 64},
    "cameras": {"frames": 2},
}


@dataclass(frozen=True)
class Growth:
    """How the time grows along one axis.

    Attributes:
        axis: What is varied.
        part: In which part.
        sizes: Its sizes; of voxels their number along x times that along y.
        cpu_s: Processor seconds of forward + backward at each.
        exponent: Slope of log time over log size (least squares): 1 where time is proportional.
    """

    axis: str
    part: str
    sizes: tuple[int, ...]
    cpu_s: tuple[float, ...]
    exponent: float

    def __str__(self) -> str:
        times = ", ".join(f"{n}: {s:.3f} s" for n, s in zip(self.sizes, self.cpu_s, strict=True))
        return f"{self.axis:<9}{self.part:<13}exponent {self.exponent:.2f} ({times})"


def growth(axis: str, shapes: str, threads: int, rounds: int = 3) -> Growth:
    """Measure one of `AXES`, the sizes in turn; the fastest round of each size counts."""
    part, name, sizes = AXES[axis]
    others = _OTHERS.get(axis, {})
    base = Parameters(part, shapes, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        times: list[list[float]] = [[] for _ in sizes]
        asked = [replace(base, **(others | {name: size})) for size in sizes]  # type: ignore[arg-type]
        with one_side(Side("library"), asked, weights) as workers:
            for number in range(rounds + 1):
                for worker, found in zip(workers, times, strict=True):
                    seconds = worker.ask("run", backward=True)["cpu_s"]
                    if number > 0:
                        found.append(seconds)
    fastest = tuple(min(found) for found in times)
    counted = tuple(size**2 for size in sizes) if name == "voxels" else sizes
    return Growth(axis, part, counted, fastest, slope(counted, fastest))


def slope(sizes: tuple[int, ...], times: tuple[float, ...]) -> float:
    """Least-squares slope of log time over log size."""
    fit = statistics.linear_regression(
        [math.log(size) for size in sizes], [math.log(time) for time in times]
    )
    return fit.slope
