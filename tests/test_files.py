"""Files and folders that are renamed into place are as open to others as any new file."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mim4d.files import new_folder_beside, replacing, replacing_folder, write_bytes, write_text

PACKAGE = Path(__file__).parents[1] / "src" / "mim4d"


def mode(path: Path) -> str:
    return stat.filemode(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_have_the_mode_of_any_new_file(tmp_path: Path, umask: int) -> None:
    """safetensors writes files that only their owner can read, whatever the umask is."""
    with replacing(tmp_path / "weights.safetensors") as temporary:
        save_file({"a": torch.zeros(2)}, temporary)
        assert mode(temporary) == "-rw-------"
    write_text(tmp_path / "text", "a")
    write_bytes(tmp_path / "bytes", b"a")
    expected = {0o022: "-rw-r--r--", 0o027: "-rw-r-----", 0o077: "-rw-------"}[umask]
    assert {mode(path) for path in tmp_path.iterdir()} == {expected}


def test_folders_have_the_mode_of_any_new_folder(tmp_path: Path, umask: int) -> None:
    with replacing_folder(tmp_path / "run") as temporary:
        (temporary / "file").touch()
    folder = new_folder_beside(tmp_path / "new" / "world", ".partial")
    assert re.fullmatch(r"\.world-[0-9a-f]{8}\.partial", folder.name)
    expected = {0o022: "drwxr-xr-x", 0o027: "drwxr-x---", 0o077: "drwx------"}[umask]
    assert {mode(tmp_path / "run"), mode(folder)} == {expected}


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half \ud800", encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "old"


def test_nothing_else_makes_files_that_are_closed_to_others() -> None:
    """Names that Python makes private are for what is removed again, never for what is kept."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"(mkdtemp|mkstemp|NamedTemporaryFile)\(", text), path
        if "import save_file" in text or "load_file, save_file" in text:
            assert text.count("save_file(") == text.count("with replacing("), path
