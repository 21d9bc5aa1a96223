"""The tables of a study as headings and cells, for Markdown and for a page alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from mim4d.study.label_efficiency.bootstrap import Interval
from mim4d.study.label_efficiency.request import BASELINE, CEILING
from mim4d.study.label_efficiency.summary import SCORES, Row, Summary

FROZEN_NOTE = (
    "Frozen: the head alone learns. Such a probe under-rates masked modelling, which shows its "
    "worth when everything learns."
)
CEILING_NOTE = (
    "Gap closed: how far an arm is on the way from random weights to the same model lifting by the "
    "true depth. A dash: that ceiling is not clearly above random weights."
)
RUNGS = {"frozen": "frozen trunk, the head alone learns", "full": "everything learns"}


@dataclass(frozen=True)
class Table:
    """A table for a person."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(summary: Summary) -> list[Table]:
    """All but the single runs: scores and gains of every task and rung, and the lengths."""
    found = []
    for task, rung in summary.groups():
        rows = summary.of_group(task, rung)
        found.append(_scores(task, rung, rows))
        found += _gains(task, rung, rows)
    if summary.doubled:
        found.append(_lengths(summary))
    return found


def single_runs(summary: Summary) -> Table:
    """Every run there is."""
    return Table(
        "Every single run",
        ("run", "for", "labelled scenes", "subset", "seed", "rate", "steps", "score, %", "s"),
        tuple(
            (
                run.folder,
                run.purpose,
                str(run.labelled),
                str(run.subset_seed),
                str(run.seed),
                f"{run.rate:g}",
                str(run.steps),
                f"{run.score:.2f}",
                f"{run.seconds:.0f}",
            )
            for run in summary.runs
        ),
        "Runs for a rate are scored on the training scenes that choose it, not on held-out ones.",
    )


def _scores(task: str, rung: str, rows: Sequence[Row]) -> Table:
    with_ceiling = any(row.arm == CEILING for row in rows)
    headings = (
        "labelled scenes",
        "start of the trunk",
        f"{SCORES[task]}, %",
        "± seeds",
        "± subsets",
        "within 16 m",
        "beyond",
        "gain over random",
        *(["gap closed"] * with_ceiling),
        "labels saved",
        "rate",
        "s a run",
        "GiB",
    )
    cells = tuple(
        (
            str(row.labelled),
            row.title,
            between(row.score),
            _number(row.spread_of_seeds),
            _number(row.spread_of_subsets),
            "-" if row.near is None else f"{row.near.value:.1f}",
            "-" if row.far is None else f"{row.far.value:.1f}",
            between(row.gains[BASELINE], signed=True) if BASELINE in row.gains else "",
            *([_share(row)] * with_ceiling),
            _saved(row),
            f"{row.rate.rate:g}",
            f"{row.seconds:.0f}",
            f"{row.peak_bytes / 2**30:.1f}",
        )
        for row in rows
    )
    notes = [FROZEN_NOTE] * (rung == "frozen") + [CEILING_NOTE] * with_ceiling
    return Table(f"{task}: {RUNGS[rung]}", headings, cells, " ".join(notes))


def _gains(task: str, rung: str, rows: Sequence[Row]) -> list[Table]:
    """How far every arm is above each other one but random, where there are such."""
    others = [name for name in dict.fromkeys(row.arm for row in rows) if name != BASELINE]
    if len(others) < 2:
        return []
    title = {row.arm: row.title for row in rows}
    cells = tuple(
        (
            str(row.labelled),
            row.title,
            *(
                between(row.gains[name], signed=True) if name in row.gains else ""
                for name in others
            ),
        )
        for row in rows
        if row.arm != BASELINE
    )
    headings = (
        "labelled scenes",
        "start of the trunk",
        *(f"over {title[name]}" for name in others),
    )
    return [Table(f"{task}: paired gains, {RUNGS[rung]}, points", headings, cells)]


def _lengths(summary: Summary) -> Table:
    return Table(
        "Are the trainings long enough? Random weights at double length",
        ("task", "labelled scenes", "score, %", "at double length", "verdict"),
        tuple(
            (
                f"{each.task}, {each.rung}",
                str(each.labelled),
                f"{each.usual:.1f}",
                f"{each.doubled:.1f}",
                each.verdict,
            )
            for each in summary.doubled
        ),
    )


def _saved(row: Row) -> str:
    if row.arm == BASELINE:
        return ""
    return "-" if row.saved is None else str(row.saved)


def _share(row: Row) -> str:
    """Of the way from random weights to exact depth; a dash where that ceiling is not above."""
    if row.arm in (BASELINE, CEILING):
        return ""
    if row.gap_closed is None:
        return "-"
    share = row.gap_closed
    text = f"{share.value:z.0f} % ({share.lower:z.0f} … {share.upper:z.0f})"
    return f"**{text}**" if share.is_clear else text


def between(interval: Interval, *, signed: bool = False) -> str:
    """A number with its interval; a gain whose interval is clear of zero is marked."""
    form = "+z.1f" if signed else "z.1f"
    text = f"{interval.value:{form}} ({interval.lower:{form}} … {interval.upper:{form}})"
    return f"**{text}**" if signed and interval.is_clear else text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
