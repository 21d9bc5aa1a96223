"""What can be known of a command at once refuses nothing that the command could do."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mim4d.cli import at_once, dispatch
from mim4d.cli.command import Command
from mim4d.cli.commands import COMMANDS
from mim4d.cli.exchange import Export
from mim4d.cli.runs import Runs
from mim4d.config.as_json import config_to_json
from mim4d.config.presets import preset
from mim4d.errors import MissingFileError


def test_an_exported_folder_has_the_weights_of_a_finished_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config_to_json(preset("toy")))
    with pytest.raises(ValueError, match="has not finished"):
        at_once.run_folder(tmp_path, finished=True)
    (tmp_path / "model.safetensors").touch()
    assert at_once.run_folder(tmp_path, finished=True).preset == "toy"


def test_outputs_where_they_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "there.json").touch()
    at_once.output_file(tmp_path / "there.json")  # is replaced
    at_once.output_file(tmp_path / "new" / "below" / "there.json")
    at_once.output_folder(tmp_path)
    at_once.new_folder(tmp_path / "new")
    at_once.output_folder(Path("new"))


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may everything
    with pytest.raises(ValueError, match=r"--json .*json: no permission to write in"):
        at_once.output_file(tmp_path / "out.json", "--json")


def test_a_mistyped_run_is_told_before_where_its_export_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(MissingFileError, match=r"rnu: not found"):
        Export(tmp_path / "rnu", to="timm").check()


def test_what_the_system_says_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/step.ckpt")

    monkeypatch.setitem(COMMANDS, "runs", Command(Runs, fail, is_light=True))
    assert dispatch.main(["runs", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "mim4d: error: runs/step.ckpt: no space left on device\n"
