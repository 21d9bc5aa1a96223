"""Rows over seeds: mean and spread of every measure, and of its difference to `full` by seed.

Numbers of single runs enter, what a table and a picture show leaves. The spread is the standard
deviation over seeds (n − 1); of a single seed there is none.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mim4d.files import write_text
from mim4d.study.ablation.facts import Facts
from mim4d.study.ablation.measure import MEASURES, Numbers
from mim4d.study.ablation.rows import FULL, AblationRow


@dataclass(frozen=True)
class Spread:
    """One measure of one row.

    Attributes:
        by_seed: Its values.
        mean: Over seeds.
        deviation: Standard deviation over seeds; None of a single one.
    """

    by_seed: dict[int, float]
    mean: float
    deviation: float | None

    @classmethod
    def of(cls, by_seed: Mapping[int, float]) -> "Spread | None":
        """None without any value."""
        if not by_seed:
            return None
        values = np.array(list(by_seed.values()), float)
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        return cls(dict(by_seed), float(values.mean()), deviation)

    @property
    def exceeds_spread(self) -> bool:
        """Whether the mean is farther from zero than the spread is wide."""
        return self.deviation is not None and abs(self.mean) > self.deviation


@dataclass(frozen=True)
class RowSummary:
    """One row of the table.

    Attributes:
        name: Of the row.
        change: What it changes, in a line.
        seeds: Of the runs that are finished.
        values: By measure; None where the row has no such number.
        differences: To `full` with the same seed, by measure; none of `full` itself.
    """

    name: str
    change: str
    seeds: tuple[int, ...]
    values: dict[str, Spread | None]
    differences: dict[str, Spread | None]


@dataclass(frozen=True)
class Summary:
    """A whole ablation.

    Attributes:
        rows: In the order of the table.
        facts: What the numbers are about; None if no run is finished.
    """

    rows: tuple[RowSummary, ...]
    facts: Facts | None

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        content: dict[str, Any] = asdict(self)
        content["measures"] = {measure.name: measure.heading for measure in MEASURES}
        write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def summarise_rows(
    rows: Sequence[AblationRow], numbers: Mapping[tuple[str, int], Numbers]
) -> tuple[RowSummary, ...]:
    """Compare over seeds.

    Args:
        rows: In the order of the table.
        numbers: By row and seed, of the runs that are finished; by measure, None where a run has no
            such number.
    """
    by_row = {
        row.name: {seed: found for (name, seed), found in numbers.items() if name == row.name}
        for row in rows
    }
    full = by_row.get(FULL, {})
    return tuple(
        RowSummary(
            row.name,
            row.change,
            tuple(sorted(by_row[row.name])),
            {m.name: Spread.of(_values(by_row[row.name], m.name)) for m in MEASURES},
            {m.name: _difference(by_row[row.name], full, m.name) for m in MEASURES}
            if row.name != FULL
            else {},
        )
        for row in rows
    )


def _values(runs: Mapping[int, Numbers], measure: str) -> dict[int, float]:
    found = {seed: numbers[measure] for seed, numbers in sorted(runs.items())}
    return {seed: value for seed, value in found.items() if value is not None}


def _difference(
    runs: Mapping[int, Numbers], full: Mapping[int, Numbers], measure: str
) -> Spread | None:
    ours, theirs = _values(runs, measure), _values(full, measure)
    return Spread.of({seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs})
