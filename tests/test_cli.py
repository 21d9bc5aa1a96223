"""The command line: quick help, clear mistakes, and nothing half written."""

import subprocess
import sys
from pathlib import Path

import pytest

from mim4d.cli import COMMANDS, main
from mim4d.presets import PRESETS


def _run(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and everything printed."""
    try:
        status = main(argv)
    except SystemExit as leave:
        status = int(leave.code or 0)
    out = capsys.readouterr()
    return status, out.out + out.err


@pytest.mark.parametrize("argv", [["--help"], ["pretrain", "demo", "--help"]])
def test_help_does_not_import_torch(argv: list[str]) -> None:
    """Which is what makes it answer in a fraction of a second."""
    script = (
        "import sys; from mim4d.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'numba', 'matplotlib'} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    preset = ["toy"] if COMMANDS[name].takes_preset else []
    status, text = _run([*name.split(), *preset, "--help"], capsys)
    assert status == 0
    assert f"mim4d {name}" in text


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = _run(["--help"], capsys)
    assert status == 0
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["pretrian"], ["pretrian", "pretrain"]),
        (["world", "out", "--sceens", "3"], ["--sceens", "--scenes"]),
        (["pretrain", "demoo", "--data", "x", "--out", "y"], ["demoo", "demo", "toy"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--mask.rato", "1"], ["--mask.ratio"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--mask.ratio", "3"], ["mask.ratio"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--clip.frames", "1"], ["clip.frames"]),
        (["pretrain"], ["wants a preset"]),
        (["show-config", "missing.json"], ["missing.json"]),
    ],
)
def test_mistakes_are_named(
    argv: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = _run(argv, capsys)
    assert status == 2
    assert all(part in text for part in parts), text
    assert "Traceback" not in text


def test_missing_data_ends_with_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    status, text = _run(
        ["pretrain", "toy", "--data", str(tmp_path / "nowhere"), "--out", str(out)], capsys
    )
    assert status == 2
    assert text.count("\n") == 1
    assert "nowhere" in text
    assert not out.exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        main(["view", str(tmp_path / "nowhere"), "--debug"])


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_written_config_gives_the_same_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = _run(["show-config", name, "--mask.ratio", "0.5"], capsys)
    path = tmp_path / "config.json"
    path.write_text(text)
    status, again = _run(["show-config", str(path)], capsys)
    assert status == 0
    assert again == text
    assert '"ratio": 0.5' in text


def test_a_config_with_unknown_keys_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = _run(["show-config", "toy"], capsys)
    path = tmp_path / "config.json"
    path.write_text(text.replace('"ratio"', '"rato"'))
    status, message = _run(["show-config", str(path)], capsys)
    assert status == 2
    assert "config.json" in message
    assert "rato" in message
