"""What a check found: rules, the places where they are broken, and their collection.

A `Rule` is written down once, beside the check that uses it. Places that break the same rule in the
same table (and group, such as a channel) become one `Finding`: the first few places are named, all
are counted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mim4d.data.tables.columns import Columns

Severity = Literal["error", "warning", "remark"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "remark")
"""Most severe first."""


@dataclass(frozen=True)
class Rule:
    """What must hold.

    Attributes:
        code: A short, stable name.
        severity: `error`: the data cannot be used as they are; `warning`: they can, but something
            is probably wrong; `remark`: good to know.
        expected: What should be there.
        action: What to do where it is not.
    """

    code: str
    severity: Severity
    expected: str
    action: str


@dataclass(frozen=True)
class Place:
    """Where a rule is broken: a record, a file or both, and what was found there."""

    found: str
    token: str = ""
    file: str = ""


@dataclass
class Finding:
    """The places of one table (and group) that break one rule; `places` holds the first."""

    rule: Rule
    table: str
    group: str
    count: int = 0
    places: list[Place] = field(default_factory=list)


class Findings:
    """Collects findings.

    Args:
        max_places: So many places of each finding are kept; the others are only counted.
    """

    def __init__(self, max_places: int = 5) -> None:
        self.max_places = max_places
        self._findings: dict[tuple[str, str, str], Finding] = {}

    def add(
        self,
        rule: Rule,
        table: str,
        place: Place,
        *,
        group: str = "",
        count: int = 1,
    ) -> None:
        """Add one place that stands for `count`."""
        key = (rule.code, table, group)
        finding = self._findings.setdefault(key, Finding(rule, table, group))
        finding.count += count
        if len(finding.places) < self.max_places:
            finding.places.append(place)

    def add_rows(
        self,
        rule: Rule,
        table: str,
        columns: Columns,
        rows: Iterable[int] | np.ndarray,
        found: Callable[[int], str],
        *,
        group: str = "",
    ) -> None:
        """Add a place for each row of a table; `found` is asked only for those that are named."""
        rows = np.asarray(rows, dtype=np.int64)
        for number, row in enumerate(rows[: self.max_places].tolist()):
            rest = len(rows) - self.max_places if number == self.max_places - 1 else 0
            place = Place(found(row), columns["token"][row].decode(errors="replace"))
            self.add(rule, table, place, group=group, count=1 + max(rest, 0))

    def __iter__(self) -> Iterator[Finding]:
        """Findings, the most severe first, else in the order in which they were found."""
        found = list(self._findings.values())
        return iter(sorted(found, key=lambda f: SEVERITIES.index(f.rule.severity)))

    def count(self, severity: Severity) -> int:
        """How many findings (not places) are of a severity."""
        return sum(f.rule.severity == severity for f in self._findings.values())

    def has(self, code: str) -> bool:
        """Whether a rule of this code is broken anywhere."""
        return any(f.rule.code == code for f in self._findings.values())
