"""What a run did and how well, in one HTML file: no script, nothing loaded from elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mim4d.evaluation import Evaluation
from mim4d.files import write_text
from mim4d.viz.curves import draw_curves
from mim4d.viz.page import Picture, render
from mim4d.viz.run_tables import (
    beams_table,
    colour_table,
    flow_tables,
    ladder_table,
    masked_table,
)


def write_report(
    out: Path,
    run: Path,
    evaluation: Evaluation,
    pictures: Sequence[Picture],
    facts: Mapping[str, str],
    commands: Sequence[tuple[str, str]] = (),
    about_pictures: str = "",
) -> Path:
    """Write the report of a run, whole or not at all.

    Args:
        out: HTML file to write.
        run: Run folder; its curves are drawn into RUN/curves.png.
        evaluation: Result on held-out scenes.
        pictures: Pictures of held-out clips.
        facts: What else is worth knowing: name and value.
        commands: How to go on: what it does, and the command.
        about_pictures: What holds for all pictures: which clips they are of, and why.

    Raises:
        ValueError: If the run has no metrics.
        ImportError: If matplotlib is not installed.
    """
    curves = draw_curves(run, run / "curves.png")
    flow, masked = evaluation.flow, evaluation.masked
    worst_first = sorted(evaluation.verdicts, key=lambda verdict: -verdict.ratio)
    text = render(
        "report.html",
        title=f"mim4d: {run.name}",
        evaluation=evaluation,
        verdicts=worst_first,
        about_pictures=about_pictures,
        pictures=pictures,
        ladder=ladder_table(evaluation),
        masked=None if masked is None else masked_table(masked),
        colour=colour_table(evaluation),
        beams=beams_table(evaluation),
        flow=None if flow is None else flow_tables(flow),
        curves=Picture(curves, CURVES_CAPTION),
        facts=facts,
        commands=commands,
    )
    write_text(out, text)
    return out


CURVES_CAPTION = (
    "Faint: every step. Strong: mean over a twentieth of the run. Errors of training steps, inputs "
    "masked; the rebuilt frame is rendered without any image of its own."
)
