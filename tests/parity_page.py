"""The page `docs/parity.md`, from the ledger of a run of the golden tests (`make parity`)."""

from itertools import groupby
from pathlib import Path

from tests.parity import (
    LEFT_OUT,
    Comparison,
    Ledger,
    is_left_out,
    is_read_stage,
    stored_files,
    stored_values,
)

HEAD = """# Parity with the authors' release

What our parts give for the weights and inputs of the golden files, compared with what the authors'
published code gave, gradients included. Written by `make parity` (which needs the folder of golden
files, `$MIM4D_GOLDEN` or `../shared/golden`); do not edit.

A difference is the largest |ours − theirs| of a tensor, relative to the largest |theirs|; of masks
and indices it is the share that differs. The part is the file below `tests/` (and, by the same
path, mostly that below `src/mim4d/`) in which the comparison is made; `pretraining/whole_forward`
is the whole model, imported from official weights, in one training step.

"""


def missing_values(ledger: Ledger, folder: Path) -> list[str]:
    """Stored values of pre-training that were neither compared nor left out for a reason."""
    compared = {(c.file, c.name) for c in ledger}
    return [
        f"{file}: {name}"
        for file in stored_files(folder)
        for name in stored_values(folder, file)
        if (file, name) not in compared
        and (not is_left_out(file, name) or is_read_stage(folder, file, name))
    ]


def render_page(ledger: Ledger, folder: Path) -> str:
    """The page as Markdown.

    Raises:
        ValueError: If a stored value has not been compared and is not left out for a reason.
    """
    if missing := missing_values(ledger, folder):
        raise ValueError(
            f"{len(missing)} stored values were not compared, for example {missing[:5]}; "
            "compare them with `GoldenFile.check`, or give the reason in `LEFT_OUT`"
        )
    lines = [
        _line("file", "part", "what", "tensors", "tolerance", "largest difference", "found in")
    ]
    lines.append(_line(*["---"] * 7))

    def group(c: Comparison) -> tuple[str, str, bool, float]:
        return c.file, c.part, c.is_gradient, c.tolerance

    for (file, part, is_gradient, tolerance), found in groupby(sorted(ledger, key=group), group):
        compared = list(found)
        worst = max(compared, key=lambda c: c.difference)
        lines.append(
            _line(
                f"`{file}`",
                f"`{part}`",
                "gradients" if is_gradient else "values",
                str(len({c.name for c in compared})),
                f"{tolerance:.0e}" if tolerance else "0",
                f"{worst.difference:.1e}" if worst.difference else "0",
                f"`{worst.name.removeprefix('out.')}`",
            )
        )
    lines += _left_out()
    return HEAD + "\n".join(lines) + "\n"


def listed_rows(page: str) -> list[tuple[str, float, float]]:
    """File, tolerance and largest difference of each line of the page's table."""
    rows = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 7 and cells[0].startswith("`"):
            rows.append((cells[0].strip("`"), float(cells[4]), float(cells[5])))
    return rows


def _left_out() -> list[str]:
    lines = ["", "Left out (names are regular expressions):", ""]
    lines += [_line("file", "values", "reason"), _line(*["---"] * 3)]
    for *patterns, reason in LEFT_OUT:
        lines.append(_line(*(f"`{p}`".replace("|", "\\|") for p in patterns), reason))
    return lines


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
