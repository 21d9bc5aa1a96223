"""Every command on the pages is one that the command line takes; its flags and presets exist."""

import ast
import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mim4d.cli import dispatch
from mim4d.cli.commands import COMMANDS
from mim4d.config.as_json import config_to_json
from mim4d.config.presets import preset, task_preset
from mim4d.tasks import TASKS
from tests.cli.flags import STORED
from tests.docs.pages import PAGES, ROOT, blocks, named_flags, shown_commands

STANDS_FOR = {"PRESET": "demo", "TASK": "bev_segmentation", "N": "1"}
# A page about a task that its reader writes: tests/tasks/test_add_a_task.py runs it.
OWN_TASK = "pedestrians"
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def parsed(words: list[str], folder: Path) -> Any:
    """What the command line makes of the words behind `mim4d`; a mistake exits or raises."""
    words = [STANDS_FOR.get(word, word) for word in words]
    name = words.pop(0)
    if f"{name} {words[0] if words else ''}" in COMMANDS:
        name = f"{name} {words.pop(0)}"
    assert name in COMMANDS, name
    for i, word in enumerate(words):
        if word.endswith("/config.json"):  # of some run
            config = preset("demo") if name == "pretrain" else task_preset("demo", words[0])
            (folder / "config.json").write_text(config_to_json(config))
            words[i] = str(folder / "config.json")
        elif i and words[i - 1] == "--resume" and not word.startswith("-"):
            words[i] = str(_run_to_resume(folder / name, name))
        elif name == "finetune" and i == 1 and (word == "RUN" or "/" in word):
            words[i] = str(_run_to_resume(folder / "pretrained", "pretrain"))
    return dispatch._parse(name, COMMANDS[name], words)


def _run_to_resume(run: Path, command: str) -> Path:
    """As much of a run folder as is read before checkpoints are looked for."""
    is_task = command == "finetune"
    config = task_preset("demo", "vehicles") if is_task else preset("demo")
    kind = "task" if is_task else "pretraining"
    record: dict[str, Any] = {"kind": kind, "data": "DATA", "training_scenes": []}
    run.mkdir(exist_ok=True)
    (run / "config.json").write_text(config_to_json(config))
    (run / "record.json").write_text(json.dumps(record))
    return run


@pytest.mark.slow  # a parser for each command
@EACH_PAGE
def test_every_command_parses(page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for words in shown_commands(page.read_text()):
        if OWN_TASK in words or words == ["--help"]:
            continue
        try:
            options = parsed(words, tmp_path)
        except (SystemExit, ValueError) as error:
            if isinstance(error, SystemExit) and "--help" in words and error.code == 0:
                continue
            pytest.fail(f"mim4d {' '.join(words)}: {error} {capsys.readouterr()}")
        encoder = getattr(getattr(options, "config", None), "encoder", None)
        if encoder is not None and encoder.frozen_stages and words[0] in ("pretrain", "finetune"):
            start = getattr(options, "start_from", None) or getattr(options, "init", "none")
            assert encoder.weights_file or start != "none", f"{words}: freezes random weights"


def test_mistakes_on_a_page_are_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = "```\nmim4d world W --scnes 3  # a slip\n```\nand `mim4d view DATA --without map`\n"
    (words,) = shown_commands(page)
    assert words == ["world", "W", "--scnes", "3"]
    with pytest.raises(SystemExit):
        parsed(words, tmp_path)
    with pytest.raises(ValueError, match="unknown preset 'dmo'"):
        parsed(["pretrain", "dmo", "--data", "D", "--out", "R"], tmp_path)
    assert named_flags(page) == [("view DATA", ["--without"])]
    slurm = "```\nsrun torchrun --nnodes 2 \\\n  -m mim4d.cli pretrain demo --data D $RESUME\n```\n"
    assert shown_commands(slurm) == [["pretrain", "demo", "--data", "D", "--resume"]]


def _flags() -> dict[str, set[str]]:
    """Flags by command, from the list that tests/cli/test_flags.py compares with the real ones."""
    found = {}
    for paragraph in STORED.read_text().split("\n\n"):
        head, *flags = paragraph.splitlines()
        name = re.sub(r"^mim4d | TASK| PRESET", "", head)
        found[name] = {flag.strip() for flag in flags}
    return found


@EACH_PAGE
def test_flags_in_running_text_are_there(page: Path) -> None:
    flags = _flags()
    everywhere = set().union(*flags.values())
    for words, named in named_flags(page.read_text()):
        first, second = [*words.split(), "", ""][:2]
        name = f"{first} {second}" if f"{first} {second}" in flags else first
        options = flags.get(name) or everywhere  # a group, as in `mim4d bench`
        groups = {key.split()[0] for key in flags}
        assert name in {*flags, *groups, "--help", "COMMAND"}, words
        assert set(named) <= options | {"--help", "--version"}, words
    for flag in re.findall(r"(?<=`)--[a-z][\w.-]*(?=[ `])", page.read_text()):
        assert flag in everywhere | {"--debug", "--help", "--shm-size"}, flag


@EACH_PAGE
def test_make_targets_and_extras_are_there(page: Path) -> None:
    text, makefile = page.read_text(), (ROOT / "Makefile").read_text()
    named = re.findall(r"(?<=`)make ([a-z-]+)(?=`)", text)
    for block in blocks(text, "", "sh"):
        named += re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)
    assert [target for target in named if f"\n{target}:" not in makefile] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for names in re.findall(r"pip install.*?\[([a-z0-9,]+)\]", text):
        assert set(names.split(",")) <= set(project["optional-dependencies"]), names


@pytest.mark.slow  # torch and more are imported
@EACH_PAGE
def test_python_blocks_import_what_is_there(page: Path) -> None:
    for block in blocks(page.read_text(), "python"):
        for node in ast.walk(_tree(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mim4d"):
                module = import_module(node.module or "")
                missing = [a.name for a in node.names if not hasattr(module, a.name)]
                assert missing == [], node.module


def _tree(block: str) -> ast.AST:
    """A block's code; a line of a dictionary, as a page may show it, stands in braces."""
    try:
        return ast.parse(block)
    except SyntaxError:
        return ast.parse(f"{{{block}}}")


def test_every_task_has_its_line_on_the_page() -> None:
    page = (ROOT / "docs" / "finetune.md").read_text()
    assert [task for task in TASKS if f"| `{task}` |" not in page] == []
