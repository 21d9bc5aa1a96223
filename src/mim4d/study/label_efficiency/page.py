"""A study as a page: one HTML file, nothing loaded from elsewhere."""

from html import escape
from pathlib import Path

from mim4d.study.label_efficiency.summary import Summary
from mim4d.study.label_efficiency.tables import Table, single_runs, tables
from mim4d.viz.page import Picture, facts_table, figure, page

_CAPTION = (
    "Score over labelled scenes, on a logarithmic axis: means over subsets and training seeds, "
    "with 95 % intervals over subsets, seeds and held-out scenes. Below, where the ceiling was "
    "trained: the share of the gap from random weights to it that each start closes."
)
_TITLE = "What the pre-training is worth with few labels"


def study_page(summary: Summary, picture: Path) -> str:
    """The whole file."""
    sections = [f"<h1>{_TITLE}</h1>"]
    if summary.warnings:
        items = "".join(f'<li class="missed">{escape(text)}</li>' for text in summary.warnings)
        sections.append(f'<ul class="verdict">{items}</ul>')
    sections.append(figure(Picture(picture, _CAPTION)))
    sections += [_html(table) for table in tables(summary)]
    sections += ["<h2>What was done</h2>", facts_table(summary.facts)]
    sections.append(f"<details><summary>Every run</summary>{_html(single_runs(summary))}</details>")
    return page(_TITLE, sections)


def _html(table: Table) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in table.headings)
    rows = "".join(
        f"<tr>{''.join(_cell(text, first=place == 0) for place, text in enumerate(row))}</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h2>{escape(table.title)}</h2><div class="scroll"><table><tr>{head}</tr>{rows}</table>'
        f"</div>{note}"
    )


def _cell(text: str, *, first: bool) -> str:
    tag = "th" if first else "td"
    if text.startswith("**"):
        return f"<{tag}><b>{escape(text.strip('*'))}</b></{tag}>"
    return f"<{tag}>{escape(text)}</{tag}>"
