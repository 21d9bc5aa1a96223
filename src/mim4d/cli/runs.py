"""`mim4d runs`: what was trained, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument

if TYPE_CHECKING:
    from mim4d.runs.compare import RunSummary


@dataclass(frozen=True)
class Runs:
    """List and compare the runs below a folder: steps, losses, measurements, options that differ.

    Measured numbers are those of each run's evaluation.json (`mim4d evaluate RUN --data DATA`).
    """

    folder: PathArgument = Path("runs")
    """Folder that holds runs, itself or in folders below."""
    page: Path | None = None
    """HTML page to write, with every run's curves.png."""
    options: int = 6
    """Show the options in which the runs differ, unless there are more than so many."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(0, options=self.options)
        at_once.output_file(self.page, "--page")


def runs(options: Runs) -> None:
    """`mim4d runs`."""
    from mim4d.runs.compare import compare, different_options, find_runs, summarise

    found = [summarise(run, options.folder) for run in find_runs(options.folder)]
    columns, rows = compare(found, options.options)
    print(text_table(columns, rows))
    hidden = different_options(found)
    if len(hidden) > options.options:
        print(f"\nThe runs differ in {len(hidden)} options; see them with --options {len(hidden)}.")
    if options.page is not None:
        _write_page(options.page, options.folder, columns, rows, found)
        print(options.page)


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal: the first column to the left, the others to the right."""
    table = [columns, *rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in table
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _write_page(
    path: Path,
    folder: Path,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    found: "Sequence[RunSummary]",
) -> None:
    """The same as a page, with the curves of the runs that have a picture of them."""
    from mim4d.files import write_text
    from mim4d.viz.page import Picture, figure, page

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = [f"<th>{escape(row[0])}</th>{_cells(row[1:])}" for row in rows]
    lines = "\n".join(f"<tr>{line}</tr>" for line in [head, *body])
    sections = [
        f"<h1>Runs in {escape(str(folder))}</h1>",
        f"<div class=scroll><table>\n{lines}\n</table></div>",
    ]
    for run in found:
        curves = run.run / "curves.png"
        if curves.is_file():
            name = run.cells["run"]
            sections += [
                f"<h2>{escape(name)}</h2>",
                figure(Picture(curves, f"{name}: losses and learning rate by optimiser step.")),
            ]
    write_text(path, page(f"mim4d runs: {folder}", sections))


def _cells(cells: Sequence[str]) -> str:
    return "".join(f"<td>{escape(cell)}</td>" for cell in cells)
