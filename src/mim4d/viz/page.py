"""A page of text and pictures in one HTML file: no script, nothing loaded from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG, GIF or WebP and what to look at in it."""

    path: Path
    caption: str


def page(title: str, sections: Sequence[str]) -> str:
    """The whole file, from the HTML of its sections."""
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def figure(picture: Picture) -> str:
    """A picture with its caption, the file's bytes in the text."""
    kind = picture.path.suffix.lstrip(".").replace("jpg", "jpeg")
    data = base64.b64encode(picture.path.read_bytes()).decode("ascii")
    caption = escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def facts_table(facts: Mapping[str, str]) -> str:
    """Names and values, one row each."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    return f'<table class="facts">{rows}</table>'


STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #5b6470; --line: #d9dde3;
  --paper: #ffffff; --tint: #f1f5ff; --good: #1a7f37; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #9aa3af; --line: #343a43;
  --paper: #15181c; --tint: #1d2740; --good: #56c271; --bad: #ff8a7a; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
@media (max-width: 560px) { main { padding: 1.5rem .8rem 3rem; }
  .scroll { font-size: .85rem; } }
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
.scroll { overflow-x: auto; max-width: 100%; }
.scroll th, .scroll td { padding: .3rem .5rem; white-space: nowrap; }
.scroll th:first-child { position: sticky; left: 0; background: var(--paper); }
.scroll .own th:first-child { background: var(--tint); }
.scroll .groups th { text-align: center; }
.scroll .start { border-left: 2px solid var(--line); }
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
