"""What the sources say of themselves: no statement twice, no name of a module that is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "mim4d"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# This page names files that its reader writes; tests/tasks/test_add_a_task.py writes and runs them.
TO_BE_WRITTEN = ROOT / "docs" / "add_a_task.md"
OTHERS = [*SOURCES, *(t for t in TEXTS if t != TO_BE_WRITTEN), ROOT / "CONTRIBUTING.md"]


def _bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield statements


def repeated(source: str) -> list[str]:
    """Assignments that stand twice in one block."""
    found = []
    for statements in _bodies(ast.parse(source)):
        kept = [ast.unparse(s) for s in statements if isinstance(s, ast.Assign | ast.AnnAssign)]
        found += [text for i, text in enumerate(kept) if text in kept[:i]]
    return found


def test_repeated_assignments_are_seen() -> None:
    assert repeated("def f(t):\n    a = t\n    b = a\n    a = t\n    return a + b\n") == ["a = t"]
    assert repeated("def f(t):\n    a = t\n    a = t + 1\n") == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
@pytest.mark.slow
def test_nothing_is_assigned_twice(path: Path) -> None:
    assert repeated(path.read_text()) == []


def missing(text: str) -> list[str]:
    """Modules, or files of the package, of the tests or the docs, that are named and not there."""
    found = []
    for name in re.findall(r"(?<![\w./-])mim4d(?:\.[a-z]\w*)+", text):
        if not _is_there(name.split(".")[1:]):
            found.append(name)
    pattern = r"(?<![\w./-])(?:src/mim4d|tests|docs|scripts|benchmarks|examples)/[\w./-]*\w/?"
    for name in re.findall(pattern, text):
        if not (ROOT / name).exists():
            found.append(name)
    return found


def _is_there(parts: list[str]) -> bool:
    """Whether a dotted name is a module, or a name written in one."""
    place = PACKAGE
    for i, part in enumerate(parts):
        if (place / part).is_dir():
            place = place / part
            continue
        module = place / f"{part}.py"
        rest = parts[i + 1 :]
        if module.is_file():
            return not rest or re.search(rf"\b{rest[0]}\b", module.read_text()) is not None
        return re.search(rf"\b{part}\b", (place / "__init__.py").read_text()) is not None
    return True


def test_names_that_are_not_there_are_seen() -> None:
    assert missing("see `mim4d.files` and mim4d.geometry.rigid.compose") == []
    assert missing("mim4d.geometry.warp, mim4d.geometry.rigid.no_such_name") == [
        "mim4d.geometry.warp",
        "mim4d.geometry.rigid.no_such_name",
    ]
    assert missing("`src/mim4d/files.py`, `src/mim4d/wheel.py`") == ["src/mim4d/wheel.py"]


@pytest.mark.parametrize("path", OTHERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_that_is_named_is_there(path: Path) -> None:
    assert missing(path.read_text()) == []


def _doc(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def _rooms() -> list[Path]:
    return [p.parent for p in PACKAGE.rglob("__init__.py") if p.parent != PACKAGE]


@pytest.mark.parametrize("room", _rooms(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_names_only_what_is_in_it(room: Path) -> None:
    """Words in backquotes in a room's text are its modules, other rooms, or coordinate frames."""
    words = set(re.findall(r"`([a-z][a-z_]*)`", _doc(room / "__init__.py")))
    there = {p.stem for p in room.iterdir()} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    assert words <= there | {"ego", "global", "ref", "grid", "unit", "lidar", "camera", "pixel"}
