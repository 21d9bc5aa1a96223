"""What a run did and how well, in one HTML file: no script, nothing loaded from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from mim4d.evaluation import ROW_NAMES, Evaluation
from mim4d.files import write_text
from mim4d.viz.curves import draw_curves
from mim4d.viz.page import Picture, facts_table, figure, page

DIRECT_BAR, REBUILT_BAR = 0.75, 1.0
"""AbsRel as a share of the best row without training: at most, and below."""


def verdict(evaluation: Evaluation) -> list[tuple[bool, str]]:
    """Whether each bar is met, in a sentence."""
    direct = evaluation.rows["direct"].abs_rel / evaluation.baseline
    rebuilt = evaluation.rows["rebuilt"].abs_rel / evaluation.baseline
    judged = (
        (direct <= DIRECT_BAR, "direct volume", direct, f"at most {DIRECT_BAR:g}"),
        (rebuilt < REBUILT_BAR, "rebuilt dropped frame", rebuilt, f"below {REBUILT_BAR:g}"),
    )
    return [
        (
            met,
            f"The {name}'s AbsRel is {ratio:.2f} of the best row without training; the bar is "
            f"{bar}: {'met' if met else 'NOT met'}.",
        )
        for met, name, ratio, bar in judged
    ]


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
        "<h2>Distance error</h2>",
        _table(evaluation),
        _explanation(evaluation),
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
    rows = []
    for name, errors in evaluation.rows.items():
        own = ' class="own"' if name in ("direct", "rebuilt") else ""
        cells = (
            f"{errors.abs_rel:.3f}",
            f"{errors.abs_rel / evaluation.baseline:.2f}",
            f"{errors.rmse:.2f}",
            f"{errors.delta_1:.3f}",
        )
        numbers = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f"<tr{own}><th>{escape(ROW_NAMES[name])}</th>{numbers}</tr>")
    head = "<th></th><th>AbsRel</th><th>/ best baseline</th><th>RMSE (m)</th><th>δ &lt; 1.25</th>"
    return f"<table>\n<tr>{head}</tr>\n" + "\n".join(rows) + "\n</table>"


def _explanation(evaluation: Evaluation) -> str:
    pixels = next(iter(evaluation.rows.values())).num_pixels
    return (
        f"<p class=note>{evaluation.num_clips} clips, {pixels:,} pixels; truth: "
        f"{escape(evaluation.truth)}, between 1 and 60 m and inside the voxel grid; inputs "
        "unmasked, no scaling of the result. AbsRel is the mean of |d̂ − d| / d; δ the share of "
        "pixels within a factor of 1.25. The upper rows, the baselines, need no training: the mean "
        "and median distance of the training scenes at each pixel of each camera, and the model "
        "before its first step.</p>"
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
