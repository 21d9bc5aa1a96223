"""docs/start.md from its second step on, word by word, on the smallest world, preset and run."""

from pathlib import Path

import pytest

from mim4d.cli import main
from tests.docs.pages import ROOT, shown_commands
from tests.shared import made_once, run_module

pytest.importorskip("embreex", reason="the embedded world needs mim4d[world]")
pytest.importorskip("matplotlib", reason="pictures need mim4d[viz]")

# What `make demo` runs is covered step by step in tests/test_world_to_report.py; the task from
# random weights is the same two commands again.
LEFT_OUT = ("demo", "demo-tasks")
LESS = {
    "finetune": ["--optim.steps", "1", "--device", "cpu"],
    "render": ["--clips", "1", "--stride", "16"],
    "predict": ["--clips", "1"],
    "evaluate": ["--clips", "1", "--stride", "16"],
    "view": ["--frames", "1"],
    "check": ["--files", "none"],
}


@pytest.mark.slow
def test_the_steps_run(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = made_once(
        tmp_path_factory, "world", lambda out: run_module("tests.world.make", "world", out)
    )
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    Path("demo/world").symlink_to(world)
    train = ["pretrain", "toy", "--data", "demo/world", "--out", "demo/run", "--device", "cpu"]
    assert main([*train, "--optim.steps", "1"]) == 0
    for words in shown_commands((ROOT / "docs" / "start.md").read_text()):
        if words[0] in LEFT_OUT or "none" in words or "runs/bev_random" in words:
            continue
        command = [*words, *LESS.get(words[0], [])]
        if words[0] == "finetune":
            command[2] = "toy"
        capsys.readouterr()
        status = main(command)
        # A check that finds something odd, and nothing wrong, ends with 1.
        assert status <= (words[0] == "check"), (command, capsys.readouterr())
    assert Path("view.png").is_file()
    assert sorted(p.suffix for p in Path("runs/bev/predictions").iterdir()) == [".npz", ".png"]
    assert Path("demo/run/export/timm/model.safetensors").is_file()
