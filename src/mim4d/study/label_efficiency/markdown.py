"""A study as Markdown, to be pasted into a page of results."""

from mim4d.study.label_efficiency.summary import Summary
from mim4d.study.label_efficiency.tables import Table, single_runs, tables

_ON_PAPER_ONLY = ("± seeds", "± subsets", "within 16 m", "beyond", "rate", "s a run", "GiB")


def markdown(summary: Summary) -> str:
    """The whole text."""
    blocks = ["# What the pre-training is worth with few labels"]
    blocks += [f"**{warning}**" for warning in summary.warnings]
    blocks += [block for table in tables(summary) for block in _blocks(table)]
    blocks.append("\n".join(f"- {name}: {value}" for name, value in summary.facts.items()))
    blocks += _blocks(single_runs(summary))
    return "\n\n".join(blocks) + "\n"


def for_terminal(summary: Summary) -> str:
    """What must be known first, then the tables without what a terminal is too narrow for."""
    blocks = list(summary.warnings)
    for table in tables(summary):
        columns = [
            column
            for column in zip(table.headings, *table.rows, strict=True)
            if column[0] not in _ON_PAPER_ONLY
        ]
        widths = [max(map(len, column)) for column in columns]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in zip(*columns, strict=True)
        ]
        blocks.append("\n".join([table.title, *lines]).replace("**", "  "))
    return "\n\n".join(blocks)


def _blocks(table: Table) -> list[str]:
    lines = [_line(table.headings), "|---" * len(table.headings) + "|"]
    lines += [_line(row) for row in table.rows]
    return [f"## {table.title}", "\n".join(lines), *([table.note] if table.note else [])]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
