"""The tables of a run's report."""

from collections.abc import Sequence

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
from mim4d.viz.page import Group, Table, TableRow

OWN_ROWS = ("depth_head", "direct", "rebuilt", "flow")


def ladder_table(evaluation: Evaluation) -> Table:
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
    return Table([*groups, ("scaled", ("AbsRel",))], rows)


def masked_table(masked: MaskedEvaluation) -> Table:
    """Hidden patches alone."""
    rows = [
        _row(name, ROW_NAMES[name], (*error_cells(row.errors), number(row.psnr_db, 1)))
        for name, row in masked.rows.items()
    ]
    mean = (*("-",) * len(COLUMNS), number(masked.visible_mean.psnr_db, 1))
    rows.append(_row("", "mean visible colour", mean))
    return Table([("", (*COLUMNS, "PSNR dB"))], rows)


def colour_table(evaluation: Evaluation) -> Table:
    """Colour, beside what averages of the images give."""
    rows = [
        _row("", REFERENCE_NAMES[name], colour_cells(scores))
        for name, scores in evaluation.colour_references.items()
    ]
    rows += [
        _row(name, ROW_NAMES[name], colour_cells(evaluation.rows[name].colour))
        for name in evaluation.colour_rows
    ]
    return Table([("", COLOUR_COLUMNS)], rows)


def beams_table(evaluation: Evaluation) -> Table:
    """What the SDF says along LiDAR beams."""
    names = [name for name in evaluation.colour_rows if evaluation.rows[name].occupancy]
    rows = [_row(name, ROW_NAMES[name], evaluation.beam_cells(name)) for name in names]
    return Table([("", BEAM_COLUMNS)], rows)


def flow_tables(flow: FlowEvaluation) -> list[Table]:
    """Scene flow, and the same by class."""
    rows, class_rows = (
        [_row(name, FLOW_ROW_NAMES[name], cells(name)) for name in flow.rows]
        for cells in (flow.cells, flow.class_cells)
    )
    classes = Table([("", CLASS_COLUMNS)], class_rows, CLASSES)
    return [Table([("", FLOW_COLUMNS)], rows), classes]


def _row(name: str, label: str, cells: Sequence[str]) -> TableRow:
    return TableRow(label, cells, own=name in OWN_ROWS)
