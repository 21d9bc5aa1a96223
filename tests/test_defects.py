"""docs/defects.md names a test for every fault, and the tests it names exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "defects.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]
NAMES = sorted({name for row in ROWS for name in re.findall(r"`(tests/[\w/]+\.py::\w+)`", row[-1])})


def test_every_fault_has_its_row() -> None:
    numbers = [int(row[0]) for row in ROWS if row[0].isdigit()]
    assert numbers == list(range(1, 24))
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] != "topic"], ids=lambda row: row[0])
def test_every_row_names_tests_or_says_why_there_is_none(row: list[str]) -> None:
    named = re.fullmatch(r"`tests/[\w/]+\.py::\w+`(, `tests/[\w/]+\.py::\w+`)*", row[-1])
    without = row[-1] == "none" and row[2].startswith("none")
    assert named or without, row[-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_named_test_exists(name: str) -> None:
    path, function = name.split("::")
    tree = ast.parse((ROOT / path).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
