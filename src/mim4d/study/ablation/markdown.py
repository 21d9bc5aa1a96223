"""An ablation as Markdown: what was measured, differences to `full`, and what the numbers are."""

from mim4d.study.ablation.facts import Facts
from mim4d.study.ablation.measure import MEASURES, Measure
from mim4d.study.ablation.over_seeds import RowSummary, Spread, Summary
from mim4d.study.ablation.rows import FULL


def markdown(summary: Summary) -> str:
    """The whole text, to be pasted into a page of results."""
    blocks = ["\n".join(_measured(summary.rows))]
    if any(row.differences for row in summary.rows):
        blocks.append(
            "Difference to `full` with the same seed, below zero better (above zero where an arrow "
            "points up); bold where its mean is larger than its spread over the seeds:"
        )
        blocks.append("\n".join(_differences(summary.rows)))
    if summary.facts is not None:
        blocks += _notes(summary.facts)
    return "\n\n".join(blocks) + "\n"


def cell(spread: Spread | None, digits: int, *, signed: bool = False) -> str:
    """Mean and, of several seeds, spread; `-` where a row has no such number."""
    if spread is None:
        return "-"
    text = f"{spread.mean:{'+' if signed else ''}z.{digits}f}"
    return text if spread.deviation is None else f"{text} ± {spread.deviation:.{digits}f}"


def _measured(rows: tuple[RowSummary, ...]) -> list[str]:
    shown = _shown(rows)
    headings = ["row", "what is changed", *(m.heading for m in shown), "seeds"]
    lines = _head(headings)
    for row in rows:
        cells = [cell(row.values[m.name], m.digits) for m in shown]
        seeds = ", ".join(map(str, row.seeds)) or "none yet"
        lines.append(_line([f"`{row.name}`", row.change, *cells, seeds]))
    return lines


def _differences(rows: tuple[RowSummary, ...]) -> list[str]:
    shown = _shown(rows)
    lines = _head(["row", *(measure.heading for measure in shown)])
    for row in rows:
        if row.name != FULL:
            cells = [_marked(row.differences[m.name], m.digits) for m in shown]
            lines.append(_line([f"`{row.name}`", *cells]))
    return lines


def _shown(rows: tuple[RowSummary, ...]) -> list[Measure]:
    """Columns: those that stand always, and those that some row has."""
    return [m for m in MEASURES if m.always or any(row.values[m.name] for row in rows)]


def _marked(spread: Spread | None, digits: int) -> str:
    text = cell(spread, digits, signed=True)
    return f"**{text}**" if spread is not None and spread.exceeds_spread else text


def _notes(facts: Facts) -> list[str]:
    """What the numbers are, in words."""
    where = "held-out" if facts.held_out else "TRAINING"
    notes = [
        f"Command: `{facts.command}`. Preset `{facts.preset}`, {facts.steps} optimiser steps in "
        "every run, but where a row says otherwise; mean ± standard deviation over the seeds.",
        f"All rows are measured on the same {facts.num_targets} frames of {facts.num_scenes} "
        f"{where} scenes, of {facts.num_common} that all rows can rebuild (`full` alone: "
        f"{facts.num_full}), at every {_ordinal(facts.stride)} pixel: {_range(facts.pixels)} of "
        f"them, {_range(facts.moving_pixels)} on what moves ({facts.moving_by}). Truth: "
        f"{facts.truth}. Seconds a step: the median, as trained, on {facts.machine}.",
        f"Versions: {'; '.join(facts.versions)}.",
    ]
    if facts.flow_points is not None:
        notes.insert(
            2,
            f"Flow: of {_range(facts.flow_points)} points within 20 m that move 1 to 4 voxels "
            "between frames; with another time between frames these are other points. Zero flow "
            "has an EPE of 1; the angle is the median, and 90° where less than 0.5 m/s is found.",
        )
    notes += [f"Left out: `{name}` ({why})." for name, why in facts.left_out.items()]
    return notes


def _head(headings: list[str]) -> list[str]:
    return [_line(headings), "|---" * len(headings) + "|"]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _range(numbers: tuple[int, int]) -> str:
    low, high = numbers
    return str(low) if low == high else f"{low} to {high} (by row)"


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')}"
