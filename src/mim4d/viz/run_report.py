"""What a run did and how well, in one HTML file: no script, nothing loaded from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from mim4d.evaluation import Evaluation, FlowEvaluation
from mim4d.files import write_text
from mim4d.viz.curves import draw_curves
from mim4d.viz.page import Picture, facts_table, figure, page
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
        "<h2>What the model sees</h2>",
        *map(figure, pictures),
        "<h2>Distance</h2>",
        ladder_table(evaluation),
        _explanation(evaluation),
        *_masked(evaluation),
        "<h2>Colour</h2>",
        colour_table(evaluation),
        COLOUR_NOTE,
        *_beams(evaluation),
        *_flow(evaluation.flow),
        "<h2>Training</h2>",
        figure(Picture(curves, CURVES_CAPTION)),
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
        f'<li class="{"met" if verdict.met else "missed"}">{escape(verdict.sentence)}</li>'
        for verdict in evaluation.verdicts
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


def _explanation(evaluation: Evaluation) -> str:
    return (
        f"<p class=note>{escape(evaluation.note())} Truth counts between 1 and 60 m and inside "
        "the voxel grid; inputs unmasked. The upper rows, the baselines, need no training: the "
        "mean and median distance of the training scenes at each pixel of each camera, the "
        "distance to flat ground, and the model before its first step. The depth head is what the "
        "volume is lifted with: rendering should lose nothing of what it knows. The last rows "
        "give the model exact depths for its own: what the rest of it makes of them.</p>"
    )


def _masked(evaluation: Evaluation) -> list[str]:
    """Hidden patches alone, with their heading; nothing where training hides none."""
    if evaluation.masked is None:
        return []
    note = (
        f"<p class=note>{evaluation.masked.ratio:.0%} of the patches of each image are hidden "
        "from the model, as in training, and only their pixels count: everything here is guessed "
        "from what surrounds them, and from other cameras.</p>"
    )
    return ["<h2>Behind the mask</h2>", masked_table(evaluation.masked), note]


def _beams(evaluation: Evaluation) -> list[str]:
    """The SDF along LiDAR beams, with its heading; nothing where it was not measured."""
    if not any(row.occupancy for row in evaluation.rows.values()):
        return []
    return [
        "<h2>Free space and surfaces</h2>",
        beams_table(evaluation),
        "<p class=note>Along the frame's LiDAR beams, where a camera looks, the first surface of "
        "the signed distance lies within 0.4 m of the measured distance (hit), before it (early) "
        "or beyond (late); hit .8: within 0.8 m; free is the share of places before the return "
        "that the model leaves free.</p>",
    ]


def _flow(flow: FlowEvaluation | None) -> list[str]:
    """Scene flow, with its heading; nothing for a run without one."""
    if flow is None:
        return []
    note = f"<p class=note>{escape(flow.note())}</p>"
    return ["<h2>Scene flow</h2>", flow_tables(flow), note]


def _commands(commands: Sequence[tuple[str, str]]) -> str:
    if not commands:
        return ""
    lines = "".join(
        f"<dt>{escape(what)}</dt><dd><code>{escape(command)}</code></dd>"
        for what, command in commands
    )
    return f"<h2>How to go on</h2>\n<dl>{lines}</dl>"


COLOUR_NOTE = (
    "<p class=note>PSNR, dB, mean over images, and SSIM on the same lattice of rays. Known: pixels "
    "with a distance inside the grid; sky: all others. The upper rows use the very image that is "
    "to be met, averaged over the whole, over rows of pixels, over squares.</p>"
)
CURVES_CAPTION = (
    "Faint: every step. Strong: mean over a twentieth of the run. Errors of training steps, inputs "
    "masked; the rebuilt frame is rendered without any image of its own."
)
