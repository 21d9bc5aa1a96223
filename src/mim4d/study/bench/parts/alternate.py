"""Two sides of a part in turn: A B A B, each in its own process, in one run.

Ratios are of neighbouring runs, so that whatever else the machine does meets both sides. Processor
seconds count (all threads, user and system); the clock stands beside them. Peak memory is the
resident memory of each side's own process: the most since a run began, less what the process held,
weights and inputs included, before its first run. Memory that an allocator keeps between runs
counts as added.
"""

import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mim4d.study.bench.parts.parameters import Parameters
from mim4d.study.bench.parts.sides import Side, Worker, sides_of


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of several numbers."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of numbers, at least one."""
        return cls(min(values), statistics.median(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Comparison:
    """One part, forward alone or with its backward pass, on two sides.

    Attributes:
        parameters: Which part, at which shapes.
        backward: Whether the backward pass is part of it.
        names: Of the sides; ratios are the first over the second.
        cpu_s: Processor seconds of each side.
        wall_s: Seconds by the clock of each side.
        system_share: Median share of the processor seconds spent in the kernel, of each side.
        cpu_ratio: Processor seconds of the first side over those of the second, round by round.
        added_bytes: Largest added memory of each side.
        memory_ratio: Their ratio; 0 if the second side adds nothing that can be seen.
        output_error: Relative difference of the outputs (root mean square).
        gradient_error: Largest relative difference of a gradient.
        worst_gradient: Of what.
        flops: Floating-point operations of the first side's products and convolutions;
            None if they were not counted.
    """

    parameters: Parameters
    backward: bool
    names: tuple[str, str]
    cpu_s: tuple[Spread, Spread]
    wall_s: tuple[Spread, Spread]
    system_share: tuple[float, float]
    cpu_ratio: Spread
    added_bytes: tuple[int, int]
    memory_ratio: float
    output_error: float
    gradient_error: float
    worst_gradient: str
    flops: int | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def way(self) -> str:
        """In words."""
        return "forward + backward" if self.backward else "forward"

    def __str__(self) -> str:
        one, two = self.cpu_s
        megabytes = [bytes_ / 2**20 for bytes_ in self.added_bytes]
        return (
            f"{self.parameters.part:<12}{self.way:<19}{self.cpu_ratio.median:>6.3f} "
            f"({self.cpu_ratio.low:.3f} to {self.cpu_ratio.high:.3f}) "
            f"CPU s {one.median:>8.3f} / {two.median:<8.3f} memory {self.memory_ratio:>6.3f} "
            f"({megabytes[0]:.0f} / {megabytes[1]:.0f} MiB) "
            f"kernel {self.system_share[0]:.0%} / {self.system_share[1]:.0%}"
        )


def compare(
    parameters: Parameters,
    first: Side,
    second: Side,
    *,
    rounds: int = 5,
    warm_up: int = 1,
    ways: tuple[bool, ...] = (False, True),
    check: bool = True,
    count_flops: bool = True,
) -> list[Comparison]:
    """Measure a part on two sides in turn.

    Args:
        parameters: Which part, at which shapes.
        first: Whose share of the second's time and memory is wanted.
        second: What it is compared with.
        rounds: Measured runs of each side.
        warm_up: Runs before them that are not measured.
        ways: Without (False) and with (True) the backward pass.
        check: Compare values and gradients of both sides.
        count_flops: Count the first side's operations.

    Returns:
        A comparison for each of `ways`.

    Raises:
        ValueError: If there is no round.
    """
    if rounds < 1:
        raise ValueError(f"rounds: expected at least 1, got {rounds}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sides_of(parameters, first, second, folder) as workers:
            measured = [
                (backward, _take_turns(workers, backward, rounds, warm_up)) for backward in ways
            ]
            # Last, so that what it leaves behind is in nobody's measured memory.
            counted = ways if count_flops else ()
            flops = {
                backward: workers[0].ask("flops", backward=backward)["flops"]
                for backward in counted
            }
            errors = _errors(workers, folder / "numbers.pt") if check else {}
    return [
        _comparison(
            parameters, backward, (first.name, second.name), runs, errors, flops.get(backward)
        )
        for backward, runs in measured
    ]


def _take_turns(
    workers: tuple[Worker, Worker], backward: bool, rounds: int, warm_up: int
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    pairs = []
    for number in range(warm_up + rounds):
        # Who goes first changes, so that neither side always runs in a fresher machine.
        order = workers if number % 2 == 0 else workers[::-1]
        answers = {id(worker): worker.ask("run", backward=backward) for worker in order}
        if number >= warm_up:
            pairs.append((answers[id(workers[0])], answers[id(workers[1])]))
    return pairs


def _errors(workers: tuple[Worker, Worker], path: Path) -> dict[str, Any]:
    first, second = workers
    second.ask("numbers", path=str(path), compare=False)
    return first.ask("numbers", path=str(path), compare=True)


def _comparison(
    parameters: Parameters,
    backward: bool,
    names: tuple[str, str],
    runs: list[tuple[dict[str, Any], dict[str, Any]]],
    errors: dict[str, Any],
    flops: int | None,
) -> Comparison:
    def spread(key: str, side: int) -> Spread:
        return Spread.of([float(pair[side][key]) for pair in runs])

    def system(side: int) -> float:
        return statistics.median(p[side]["system_s"] / max(p[side]["cpu_s"], 1e-9) for p in runs)

    one, two = (max(int(pair[side]["added_bytes"]) for pair in runs) for side in (0, 1))
    return Comparison(
        parameters=parameters,
        backward=backward,
        names=names,
        cpu_s=(spread("cpu_s", 0), spread("cpu_s", 1)),
        wall_s=(spread("wall_s", 0), spread("wall_s", 1)),
        system_share=(system(0), system(1)),
        cpu_ratio=Spread.of([a["cpu_s"] / max(b["cpu_s"], 1e-9) for a, b in runs]),
        added_bytes=(one, two),
        memory_ratio=one / two if two else 0.0,
        output_error=float(errors.get("output_error", 0.0)),
        gradient_error=float(errors.get("gradient_error", 0.0)),
        worst_gradient=errors.get("worst_gradient", ""),
        flops=flops,
    )
