"""What a run did and how well, in one HTML file: no script, nothing loaded from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from mim4d.evaluation import BEAMS, COLUMNS, ROW_NAMES, Evaluation, FlowEvaluation
from mim4d.evaluation.flow.rows import (
    CLASS_COLUMNS,
    CLASSES,
    FLOW_COLUMNS,
    FLOW_ROW_NAMES,
)
from mim4d.files import write_text
from mim4d.viz.curves import draw_curves
from mim4d.viz.page import Picture, facts_table, figure, page

DIRECT_BAR, REBUILT_BAR = 0.75, 1.0
"""AbsRel as a share of the best row without training: at most, and below."""


def verdict(evaluation: Evaluation) -> list[tuple[bool, str]]:
    """Whether each bar is met, in a sentence; no sentence about a row that was not measured."""
    judged = (
        ("direct", "direct volume", f"at most {DIRECT_BAR:g}"),
        ("rebuilt", "rebuilt dropped frame", f"below {REBUILT_BAR:g}"),
    )
    sentences = []
    for row, name, bar in judged:
        if row not in evaluation.rows:
            continue
        ratio = evaluation.rows[row].abs_rel / evaluation.baseline
        met = ratio <= DIRECT_BAR if row == "direct" else ratio < REBUILT_BAR
        sentences.append(
            (
                met,
                f"The {name}'s AbsRel is {ratio:.2f} of the best row without training; the bar is "
                f"{bar}: {'met' if met else 'NOT met'}.",
            )
        )
    return sentences


def write_report(
    out: Path,
    run: Path,
    evaluation: Evaluation,
    pictures: Sequence[Picture],
    facts: Mapping[str, str],
    commands: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write the report of a run, whole or not at all.

    Args:
        out: HTML file to write.
        run: Run folder; its curves are drawn into RUN/curves.png.
        evaluation: Result on held-out scenes.
        pictures: Pictures of held-out clips.
        facts: What else is worth knowing: name and value.
        commands: How to go on: what it does, and the command.

    Raises:
        ValueError: If the run has no metrics.
        ImportError: If matplotlib is not installed.
    """
    curves = draw_curves(run, run / "curves.png")
    sections = [
        _summary(evaluation, facts),
        "<h2>Distance and colour</h2>",
        _table(evaluation),
        _explanation(evaluation),
        *_beams(evaluation),
        *_flow(evaluation.flow),
        "<h2>Training</h2>",
        figure(Picture(curves, CURVES_CAPTION)),
        "<h2>What the model sees</h2>",
        *map(figure, pictures),
        "<h2>The run</h2>",
        facts_table(facts),
        _commands(commands),
    ]
    write_text(out, page(f"mim4d: {run.name}", sections))
    return out


def _summary(evaluation: Evaluation, facts: Mapping[str, str]) -> str:
    where = (
        "scenes it has never seen"
        if evaluation.held_out
        else "scenes, some of which it was TRAINED on"
    )
    sentences = "".join(
        f'<li class="{"met" if met else "missed"}">{escape(sentence)}</li>'
        for met, sentence in verdict(evaluation)
    )
    trained = f" Training: {escape(facts['training'])}." if "training" in facts else ""
    return (
        "<h1>Pre-training on multi-camera video</h1>\n"
        "<p>The model sees several cameras over a few frames, with part of every image hidden. It "
        "lifts the images into a volume of voxels around the car, drops one frame, rebuilds that "
        "frame's volume from the others, and proves both volumes by rendering them back into the "
        f"cameras as colour and distance.{trained} Below, it is measured on "
        f"{len(evaluation.scenes)} {where}.</p>\n<ul class=verdict>{sentences}</ul>"
    )


def _table(evaluation: Evaluation) -> str:
    rows = [_row(name, ROW_NAMES[name], evaluation.cells(name)) for name in evaluation.rows]
    return _html_table("", COLUMNS, rows)


def _beams(evaluation: Evaluation) -> list[str]:
    """The SDF along LiDAR beams, with its heading; nothing where it was not measured."""
    if not evaluation.beam_rows:
        return []
    rows = [
        _row(name, ROW_NAMES[name], evaluation.beam_cells(name)) for name in evaluation.beam_rows
    ]
    return [
        "<h2>Free space and surfaces</h2>",
        _html_table(BEAMS, evaluation.beam_columns, rows),
        "<p class=note>Along the frame's LiDAR beams, where a camera looks, the first surface of "
        "the signed distance lies at the measured distance (hit), before it (early) or beyond "
        "(late), within so many metres; free is the share of places before the return that the "
        "model leaves free.</p>",
    ]


def _flow(flow: FlowEvaluation | None) -> list[str]:
    """Scene flow, with its heading; nothing for a run without one."""
    if flow is None:
        return []
    rows, class_rows = (
        [_row(name, FLOW_ROW_NAMES[name], cells(name)) for name in flow.rows]
        for cells in (flow.cells, flow.class_cells)
    )
    return [
        "<h2>Scene flow</h2>",
        _html_table("", FLOW_COLUMNS, rows),
        _html_table(CLASSES, CLASS_COLUMNS, class_rows),
        f"<p class=note>{escape(flow.note())}</p>",
    ]


def _html_table(corner: str, columns: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = [f"<tr><th>{escape(corner)}</th>{head}</tr>", *rows]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _row(name: str, label: str, cells: Sequence[str]) -> str:
    own = " class=own" if name in ("direct", "rebuilt", "flow") else ""
    numbers = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr{own}><th>{escape(label)}</th>{numbers}</tr>"


def _explanation(evaluation: Evaluation) -> str:
    return (
        f"<p class=note>{escape(evaluation.note())} Truth counts between 1 and 60 m and inside "
        "the voxel grid; inputs unmasked. AbsRel is the mean of |d̂ − d| / d; d&lt;1.25 the share "
        "of pixels within a factor of 1.25. The upper rows, the baselines, need no training: the "
        "mean and median distance of the training scenes at each pixel of each camera, the "
        "distance to flat ground, and the model before its first step. PSNR and SSIM compare the "
        "rendered colours with the image on the same lattice of rays.</p>"
    )


def _commands(commands: Sequence[tuple[str, str]]) -> str:
    if not commands:
        return ""
    lines = "".join(
        f"<dt>{escape(what)}</dt><dd><code>{escape(command)}</code></dd>"
        for what, command in commands
    )
    return f"<h2>How to go on</h2>\n<dl>{lines}</dl>"


CURVES_CAPTION = (
    "Faint: every step. Strong: mean over a twentieth of the run. Errors of training steps, inputs "
    "masked; the rebuilt frame is rendered without any image of its own."
)
