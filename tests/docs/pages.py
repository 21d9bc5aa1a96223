"""Commands and Python code as a reader finds them on the pages."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Two pages are a diary: they tell what was run at the time.
DIARY = {ROOT / "CHANGELOG.md", ROOT / "docs" / "lab_log.md"}
PAGES = sorted(
    {ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")} - DIARY
)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(text: str, *languages: str) -> Iterator[str]:
    """The fenced blocks of some languages; "" is a block that names none."""
    for indent, language, body in _FENCE.findall(text):
        if language in languages:
            yield "\n".join(line.removeprefix(indent) for line in body.splitlines())


def shown_commands(text: str) -> list[list[str]]:
    """Words behind `mim4d` of every command in a block, in the order of the page.

    Synopses are filled in: what is in brackets is taken along, of alternatives the first.
    """
    lines = "\n".join(blocks(text, "", "sh", "bash")).replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        match = re.match(r"\s*(?:\$ |(?:srun )?torchrun .*-m )?mim4d(?:\.cli)? (.*)", line)
        if match is None:
            continue
        words = re.sub(r"[][]|\.\.\.", " ", match[1]).replace("$RESUME", "--resume")
        found.append([re.sub(r"\|.*", "", word) for word in shlex.split(words, comments=True)])
    return found


def named_flags(text: str) -> list[tuple[str, list[str]]]:
    """Commands in running text: the words behind `mim4d` before the first flag, and the flags."""
    prose = _FENCE.sub("", text)
    found = []
    for words in re.findall(r"`mim4d\s+([^`]+)`", prose):
        before, *_ = words.split(" -", 1)
        found.append((before, re.findall(r"(?<!\S)(--[a-z][\w.-]*)", words)))
    return found
