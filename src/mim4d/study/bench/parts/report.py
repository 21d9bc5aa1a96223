"""`mim4d bench report`: what `mim4d bench parts` measured, as a page and a picture."""

import json
from pathlib import Path
from typing import Any

from mim4d.files import read_text, write_text

_HEAD = """# Performance

Made from measurements by `mim4d bench report`; do not edit. Times are processor seconds; each ratio
is that of two sides which ran in turn in one run, as median (smallest to largest) over the rounds.
Twins are the plain versions of the parts in `study/bench/twins`, with the same weights and equal
values and gradients. Memory is what each side's process added, at its largest, to what it held
before its first run. Operations are those of matrix products and convolutions, as torch counts
them, with what is computed again; look-ups and elementwise work are not among them.

    mim4d bench parts official_080 --threads 1 --json official_1.json
    mim4d bench parts official_080 --threads 1 --against ../before --no-scaling --json before_1.json
    mim4d bench report official_1.json before_1.json --picture docs/images/roofline.png
"""


def write_report(files: list[Path], out: Path, picture: Path | None = None) -> None:
    """Write the page.

    Args:
        files: What `mim4d bench parts --json` wrote.
        out: The Markdown page.
        picture: Where a picture of the roofline of the first file goes; None draws none.

    Raises:
        ValueError: If a file holds something else.
    """
    suites = [_read(path) for path in files]
    sections = [_HEAD, *(_section(suite) for suite in suites)]
    if picture is not None:
        draw_roofline(suites[0], picture)
        shown = picture.relative_to(out.parent) if picture.is_relative_to(out.parent) else picture
        sections.insert(1, f"![Operations a processor second by part]({shown.as_posix()})\n")
    write_text(out, "\n".join(sections))


def _read(path: Path) -> dict[str, Any]:
    try:
        suite: dict[str, Any] = json.loads(read_text(path))
        suite["machine"]["product_gflop_s"], suite["comparisons"], suite["growths"]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not what `mim4d bench parts --json` writes ({error})") from error
    return suite


def _section(suite: dict[str, Any]) -> str:
    machine, comparisons = suite["machine"], suite["comparisons"]
    parameters = comparisons[0]["parameters"]
    names = comparisons[0]["names"]
    lines = [
        f"## {parameters['shapes']}, {parameters['threads']} thread(s), "
        f"{names[0]} against {names[1]}",
        "",
        f"{machine['processor']}, torch {machine['torch_version']}: matrix product "
        f"{machine['product_gflop_s']:.1f} GFLOP, copy {machine['copy_gb_s']:.1f} GB a processor "
        "second.",
        "",
        f"| part | | processor time ratio | {names[0]} | {names[1]} | memory ratio | {names[0]} "
        "| share of the matrix product | gradients differ by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(comparison, machine) for comparison in comparisons]
    if suite["growths"]:
        lines += ["", "| grows with | part | exponent | sizes |", "|---|---|---|---|"]
    for growth in suite["growths"]:
        pairs = zip(growth["sizes"], growth["cpu_s"], strict=True)
        sizes = ", ".join(f"{size}: {seconds:.2f} s" for size, seconds in pairs)
        lines.append(
            f"| {growth['axis']} | {growth['part']} | {growth['exponent']:.2f} | {sizes} |"
        )
    return "\n".join(lines) + "\n"


def _row(comparison: dict[str, Any], machine: dict[str, Any]) -> str:
    ratio, (one, two) = comparison["cpu_ratio"], comparison["cpu_s"]
    flops, share = comparison["flops"], ""
    if flops is not None:
        share = f"{flops / one['median'] / 1e9 / machine['product_gflop_s']:.0%}"
    way = "forward + backward" if comparison["backward"] else "forward"
    memory = f"{comparison['memory_ratio']:.2f}" if comparison["added_bytes"][1] else ""
    return (
        f"| {comparison['parameters']['part']} | {way} | {ratio['median']:.2f} "
        f"({ratio['low']:.2f} to {ratio['high']:.2f}) | {one['median']:.2f} s | "
        f"{two['median']:.2f} s | {memory} | {comparison['added_bytes'][0] / 2**20:.0f} MiB | "
        f"{share} | {comparison['gradient_error']:.0e} |"
    )


def draw_roofline(suite: dict[str, Any], path: Path) -> None:
    """Operations a processor second of every part's forward + backward, under the machine's own."""
    from matplotlib.figure import Figure

    measured = [c for c in suite["comparisons"] if c["backward"] and c["flops"]]
    names = [c["parameters"]["part"] for c in measured]
    rates = [c["flops"] / c["cpu_s"][0]["median"] / 1e9 for c in measured]
    roof = suite["machine"]["product_gflop_s"]
    figure = Figure(figsize=(7, 0.5 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, rates, color="#4477aa")
    axes.axvline(roof, color="#cc3311", label=f"matrix product, {roof:.0f} GFLOP/s")
    axes.invert_yaxis()
    axes.set_xlabel("GFLOP a processor second (products and convolutions), forward + backward")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)
