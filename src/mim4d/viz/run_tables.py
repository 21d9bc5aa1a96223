"""The tables of a run's report, as HTML. Wide ones scroll sideways under their row names."""

from collections.abc import Sequence
from html import escape

from mim4d.evaluation import (
    BEAM_COLUMNS,
    COLOUR_COLUMNS,
    COLUMNS,
    REFERENCE_NAMES,
    ROW_NAMES,
    Evaluation,
    FlowEvaluation,
)
from mim4d.evaluation.flow.rows import CLASS_COLUMNS, CLASSES, FLOW_COLUMNS, FLOW_ROW_NAMES
from mim4d.evaluation.formatting import number
from mim4d.evaluation.masked import MaskedEvaluation
from mim4d.evaluation.table import colour_cells, error_cells

OWN_ROWS = ("depth_head", "direct", "rebuilt", "flow")
Group = tuple[str, Sequence[str]]


def ladder_table(evaluation: Evaluation) -> str:
    """Distance: the worst column first, then every column over every part of the pixels."""
    parts = list(evaluation.parts(next(iter(evaluation.rows))))
    groups: list[Group] = [("", ("worst",)), *((part, COLUMNS) for part in parts)]
    rows = []
    for name, row in evaluation.rows.items():
        cells = [number(evaluation.worst(name), 2)]
        for errors in evaluation.parts(name).values():
            cells += error_cells(errors)
        cells.append(f"{row.median_scaled.everywhere.over_pixels.abs_rel:.3f}")
        rows.append(_row(name, ROW_NAMES[name], cells))
    return _table([*groups, ("scaled", ("AbsRel",))], rows)


def masked_table(masked: MaskedEvaluation) -> str:
    """Hidden patches alone."""
    rows = [
        _row(name, ROW_NAMES[name], (*error_cells(row.errors), number(row.psnr_db, 1)))
        for name, row in masked.rows.items()
    ]
    mean = (*("-",) * len(COLUMNS), number(masked.visible_mean.psnr_db, 1))
    rows.append(_row("", "mean colour of what is seen", mean))
    return _table([("", (*COLUMNS, "PSNR dB"))], rows)


def colour_table(evaluation: Evaluation) -> str:
    """Colour, beside what averages of the images give."""
    rows = [
        _row("", REFERENCE_NAMES[name], colour_cells(scores))
        for name, scores in evaluation.colour_references.items()
    ]
    rows += [
        _row(name, ROW_NAMES[name], colour_cells(evaluation.rows[name].colour))
        for name in evaluation.colour_rows
    ]
    return _table([("", COLOUR_COLUMNS)], rows)


def beams_table(evaluation: Evaluation) -> str:
    """What the SDF says along LiDAR beams."""
    names = [name for name in evaluation.colour_rows if evaluation.rows[name].occupancy]
    rows = [_row(name, ROW_NAMES[name], evaluation.beam_cells(name)) for name in names]
    return _table([("", BEAM_COLUMNS)], rows)


def flow_tables(flow: FlowEvaluation) -> str:
    """Scene flow, and the same by class."""
    rows, class_rows = (
        [_row(name, FLOW_ROW_NAMES[name], cells(name)) for name in flow.rows]
        for cells in (flow.cells, flow.class_cells)
    )
    classes = _table([("", CLASS_COLUMNS)], class_rows, CLASSES)
    return _table([("", FLOW_COLUMNS)], rows) + classes


def _table(groups: Sequence[Group], rows: Sequence[str], corner: str = "") -> str:
    """Rows below columns, which stand in named groups."""
    columns = [column for _, names in groups for column in names]
    starts = {sum(len(names) for _, names in groups[:i]) for i in range(1, len(groups))}
    head = "".join(
        f"<th{_CLASS_OF_START if i in starts else ''}>{escape(column)}</th>"
        for i, column in enumerate(columns)
    )
    lines = [f"<tr><th>{escape(corner)}</th>{head}</tr>", *rows]
    if len(groups) > 1:
        titles = "".join(
            f"<th{_CLASS_OF_START if i else ''} colspan={len(names)}>{escape(title)}</th>"
            for i, (title, names) in enumerate(groups)
        )
        lines.insert(0, f"<tr class=groups><th></th>{titles}</tr>")
    return "<div class=scroll><table>\n" + "\n".join(lines) + "\n</table></div>"


_CLASS_OF_START = " class=start"


def _row(name: str, label: str, cells: Sequence[str]) -> str:
    own = " class=own" if name in OWN_ROWS else ""
    numbers = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr{own}><th>{escape(label)}</th>{numbers}</tr>"
