"""A study as Markdown, to be pasted into a page of results."""

from mim4d.study.label_efficiency.summary import Summary
from mim4d.study.label_efficiency.tables import Table, single_runs, tables


def markdown(summary: Summary) -> str:
    """The whole text."""
    blocks = ["# What the pre-training is worth with few labels"]
    blocks += [f"**{warning}**" for warning in summary.warnings]
    blocks += [block for table in tables(summary) for block in _blocks(table)]
    blocks.append("\n".join(f"- {name}: {value}" for name, value in summary.facts.items()))
    blocks += _blocks(single_runs(summary))
    return "\n\n".join(blocks) + "\n"


def for_terminal(summary: Summary) -> str:
    """The tables alone, with what must be known before the numbers."""
    blocks = list(summary.warnings)
    for table in tables(summary):
        widths = [max(map(len, column)) for column in zip(table.headings, *table.rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (table.headings, *table.rows)
        ]
        blocks.append("\n".join([table.title, *lines]).replace("**", "  "))
    return "\n\n".join(blocks)


def _blocks(table: Table) -> list[str]:
    lines = [_line(table.headings), "|---" * len(table.headings) + "|"]
    lines += [_line(row) for row in table.rows]
    return [f"## {table.title}", "\n".join(lines), *([table.note] if table.note else [])]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
