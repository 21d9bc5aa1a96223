"""The last steps of docs/start.md, word by word, on the smallest world, preset and run."""

from pathlib import Path

import pytest

from mim4d.cli import main
from tests.docs.pages import ROOT, shown_commands
from tests.shared import made_once, run_module

pytest.importorskip("embreex", reason="the embedded world needs mim4d[world]")
pytest.importorskip("matplotlib", reason="pictures need mim4d[viz]")

# The steps before are covered in tests/test_world_to_report.py.
FIRST = "## 4. Fine-tune a task"
LESS = {
    "finetune": ["--optim.steps", "1", "--device", "cpu"],
    "predict": ["--clips", "1"],
    "evaluate": ["--clips", "1"],
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
    _, page = (ROOT / "docs" / "start.md").read_text().split(FIRST)
    for words in shown_commands(page):
        if "none" in words or "runs/bev_random" in words:
            continue  # the same two commands again, from random weights
        command = [*words, *LESS.get(words[0], [])]
        if words[:3:2] == ["finetune", "demo"]:
            command[2] = "toy"
        capsys.readouterr()
        assert main(command) == 0, (command, capsys.readouterr())
    assert sorted(p.suffix for p in Path("runs/bev/predictions").iterdir()) == [".npz", ".png"]
    assert Path("demo/run/export/timm/model.safetensors").is_file()
