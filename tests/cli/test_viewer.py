"""`mim4d viewer` answers mistakes before it loads anything."""

from pathlib import Path

import pytest

from mim4d.cli import main


def test_mistakes_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("viser", reason="the viewer needs mim4d[viewer]")
    assert main(["viewer", str(tmp_path / "nowhere")]) == 2
    assert "no such folder; expected a data set or a run" in capsys.readouterr().err
    assert main(["viewer", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "is no run folder (it has no config.json)" in capsys.readouterr().err


def test_without_viser_the_install_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mim4d.errors.find_spec", lambda name: None)
    assert main(["viewer", str(tmp_path)]) == 2
    assert "pip install 'mim4d[viewer]'" in capsys.readouterr().err
