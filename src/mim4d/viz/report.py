"""What a run did and how well, in one HTML file: no script, nothing loaded from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from mim4d.evaluation import ROW_NAMES, Evaluation
from mim4d.files import write_text
from mim4d.viz.curves import draw_curves

DIRECT_BAR, REBUILT_BAR = 0.75, 1.0
"""AbsRel as a share of the best row without training: at most, and below."""


@dataclass(frozen=True)
class Picture:
    """A PNG of the report and what to look at in it."""

    path: Path
    caption: str


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
        _figure(Picture(curves, CURVES_CAPTION)),
        "<h2>What the model sees</h2>",
        *map(_figure, pictures),
        "<h2>The run</h2>",
        _facts(facts),
        _commands(commands),
    ]
    body = "\n".join(sections)
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>mim4d: {escape(run.name)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
    write_text(out, text)
    return out


def _summary(evaluation: Evaluation, facts: Mapping[str, str]) -> str:
    where = (
        "scenes it has never seen"
        if evaluation.held_out
        else "scenes it was TRAINED on, because the data set names no held-out ones"
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


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.path.read_bytes()).decode("ascii")
    caption = escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    return f'<table class="facts">{rows}</table>'


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

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #5b6470; --line: #d9dde3;
  --paper: #ffffff; --tint: #f1f5ff; --good: #1a7f37; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #9aa3af; --line: #343a43;
  --paper: #15181c; --tint: #1d2740; --good: #56c271; --bad: #ff8a7a; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; }
p { max-width: 46rem; }
.note, figcaption { color: var(--faint); font-size: .9rem; }
.verdict { padding: 0; list-style: none; }
.verdict li { padding: .3rem 0 .3rem .8rem; border-left: 4px solid; margin: .4rem 0; }
.met { border-color: var(--good) !important; }
.missed { border-color: var(--bad) !important; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .9rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child { text-align: left; font-weight: 500; padding-left: .4rem; }
tr:first-child th { font-weight: 600; }
.own { background: var(--tint); }
.own th:first-child { font-weight: 700; }
.facts td { text-align: left; overflow-wrap: anywhere; }
.facts tr:first-child th { font-weight: 500; }
.facts th { color: var(--faint); white-space: nowrap; vertical-align: top; }
figure { margin: 1.2rem 0 2rem; }
figure img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; }
figcaption { margin-top: .5rem; max-width: 56rem; }
dt { margin-top: .8rem; }
dd { margin: .2rem 0 0; }
code { font: .92rem ui-monospace, monospace; overflow-wrap: anywhere; }
"""
