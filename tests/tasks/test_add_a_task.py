"""docs/add_a_task.md followed word by word: its file, its line, its commands."""

import ast
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import mim4d.tasks
from mim4d.build.tasks import build_task
from mim4d.cli import main
from mim4d.config.presets import task_preset
from mim4d.tasks import TASKS, find_task
from mim4d.tasks.task import Task
from tests.data.tiny_dataset import edit_table, write_tiny_dataset
from tests.tasks.scene import Box, clip_with

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add_a_task.md"
FILE, LINE, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
COMMANDS = re.findall(r"^mim4d (.*)$", PAGE.read_text(), re.MULTILINE)


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's file lies among the tasks, and its line stands in the table."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "pedestrians.py").write_text(FILE)
    monkeypatch.setattr(mim4d.tasks, "__path__", [*mim4d.tasks.__path__, str(tmp_path / "tasks")])
    monkeypatch.setitem(TASKS, *next(iter(ast.literal_eval(f"{{{LINE.strip()}}}").items())))
    monkeypatch.delitem(sys.modules, "mim4d.tasks.pedestrians", raising=False)
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))


def test_the_task_is_one_file_and_one_line(tmp_path: Path) -> None:
    assert LINE.count("\n") == 1
    assert "src/mim4d/tasks/pedestrians.py" in PAGE.read_text()
    config = task_preset("toy", "pedestrians")
    task, model = build_task(config)
    assert isinstance(task, Task)
    assert Path(sys.modules[find_task("pedestrians").__module__].__file__ or "").is_relative_to(
        tmp_path
    )
    clip = clip_with(Box(1.0, 1.0, kind=1), Box(9.0, 1.0), Box(-5.0, 1.0, kind=1, points=0))
    truth = task.targets(clip)
    assert truth.occupied.nonzero().tolist() == [[0, 16, 16]]
    assert truth.ignored.nonzero().tolist() == [[0, 16, 13]]
    assert task.losses(model(clip), truth)["loss"].requires_grad


def test_the_commands_train_and_evaluate_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the smallest preset, a few steps and no weights to start from."""
    data, run = write_tiny_dataset(tmp_path / "data"), tmp_path / "run"
    name = "human.pedestrian.adult"
    edit_table(data, "category", lambda rows: rows[0].update(name=name))
    small = {"demo": "toy", "demo/run": "none", "demo/world": data, "runs/pedestrians": run}
    (data / "splits.json").write_text('{"train": ["tiny-0"], "val": ["tiny-1"]}')
    train, evaluate = ([str(small.get(w, w)) for w in shlex.split(line)] for line in COMMANDS)
    quick = ["--optim.steps", "3", "--workers", "0", "--device", "cpu"]
    assert main([*train, *quick]) == 0
    assert capsys.readouterr().out.splitlines() == [str(run)]
    losses = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").open()]
    assert len(losses) == 3
    assert losses[2] < losses[0]
    assert main(evaluate) == 0
    assert "visible pedestrians" in capsys.readouterr().out
    rows = json.loads((run / "evaluation.json").read_text())["rows"]
    assert rows["visible pedestrians"]["true cells"] > 0
