"""Mistakes that a new user makes: each is answered in a sentence, before torch is imported.

All are made in one process, where torch would stay imported if any of them had imported it: that it
never is, is what makes every answer come in a fraction of a second.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mim4d.config.presets import preset, task_preset
from mim4d.runs.record import create_run
from tests.data.tiny_dataset import write_tiny_dataset

SCRIPT = """
import builtins, importlib.util, json, sys, time, io, contextlib
hidden = sys.argv[1].split(",")
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in hidden else find(name, *more)
from mim4d.cli import main
answers = []
for argv in json.load(sys.stdin):
    out, start = io.StringIO(), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = main(argv)
        except SystemExit as leave:
            status = int(leave.code or 0)
    heavy = sorted({"torch", "numba", "matplotlib", "lightning"} & set(sys.modules))
    answers.append([status, out.getvalue(), heavy, time.process_time() - start])
print(json.dumps(answers))
"""
HIDDEN = "matplotlib,wandb,av,pyarrow,numba,viser"
"""Modules that are said not to be installed, for the rows that are about extras."""

TABLE: dict[str, tuple[str, list[str]]] = {
    "unknown command": ("pretrian toy", ["unknown command 'pretrian'", "'pretrain'"]),
    "unknown preset": ("pretrain dmeo --data DATA --out NEW", ["'dmeo'", "did you mean 'demo'"]),
    "unknown task": ("finetune vehicels demo", ["'vehicels'", "did you mean 'vehicles'"]),
    "a task for a preset": (
        "pretrain vehicles demo --data DATA --out NEW",
        ["'vehicles' is a task", "one of: demo, ", "mim4d finetune vehicles PRESET"],
    ),
    "no preset at all": ("pretrain --data DATA --out NEW", ["needs a preset first", "demo"]),
    "mistyped option": ("pretrain toy --data DATA --out NEW --mask.rato 1", ["--mask.ratio"]),
    "impossible value": (
        "pretrain toy --data DATA --out NEW --mask.ratio 3",
        ["mask.ratio", "expected a share"],
    ),
    "no data set there": ("view ROOT/tinny", ["tinny", "not found", "did you mean 'tiny'"]),
    "a folder that is no data set": ("check ROOT", ["no folder with nuScenes tables"]),
    "the tables' own folder": ("check DATA/v1.0-mini", ["is itself a folder of tables"]),
    "unknown version": ("view DATA --version v1.0-trainval", ["v1.0-trainval", "v1.0-mini"]),
    "unknown split": ("evaluate RUN --data DATA --split valid", ["'valid'", "splits.json"]),
    "unknown scene": (
        "pretrain toy --data DATA --out NEW --scenes tiny-7",
        ["tiny-7", "tiny-0, tiny-1"],
    ),
    "list of scenes missing": (
        "pretrain toy --data DATA --out NEW --scenes train.txt",
        ["train.txt", "cannot be read"],
    ),
    "no run there": (
        "evaluate ROOT/rum --data DATA",
        ["there is no such run folder", "did you mean 'run'"],
    ),
    "a folder that is no run": ("evaluate DATA --data DATA", ["not a run folder", "config.json"]),
    "a run that has no checkpoint": ("evaluate YOUNG --data DATA", ["has no checkpoint yet"]),
    "a run without its record": ("evaluate LOST --data DATA", ["record.json", "not found"]),
    "a run whose configuration is empty": (
        "evaluate EMPTY --data DATA",
        ["config.json", "not valid JSON", "restore it from a copy"],
    ),
    "a run that has not finished": ("export RUN --to timm", ["has not finished", "--resume"]),
    "a task's run where a pre-training is wanted": (
        "render TASK --data DATA",
        ["a task's run", "mim4d predict"],
    ),
    "run and data set exchanged": ("evaluate DATA --data RUN", ["not a run folder"]),
    "the run folder exists": ("pretrain toy --data DATA --out RUN", ["already exists", "--resume"]),
    "nothing to resume": ("pretrain --resume DATA", ["not a run folder"]),
    "resuming another kind": (
        "pretrain --resume TASK",
        ["is the run of a task; a pre-training is needed here"],
    ),
    "a preset beside the run to resume": (
        "pretrain toy --resume RUN",
        ["preset and options are the run's own", "leave 'toy' out"],
    ),
    "no such device": ("pretrain toy --data DATA --out NEW --device mps", ["no such device"]),
    "zero devices": (
        "pretrain toy --data DATA --out NEW --devices 0",
        ["--devices 0", "1 or more"],
    ),
    "weights that are not there": (
        "pretrain toy --data DATA --out NEW --encoder.weights-file no.pth",
        ["--encoder.weights-file no.pth", "not found"],
    ),
    "start that is not there": (
        "finetune vehicles toy --data DATA --out NEW --init ROOT/rnu",
        ["--init", "rnu", "did you mean 'run'"],
    ),
    "import of nothing": ("import rig ROOT/drives --out NEW", ["drives", "not found"]),
    "drawing without its extra": ("view DATA", ["matplotlib", "pip install 'mim4d[viz]'"]),
    "a world without its extra": ("world NEW", ["numba", "pip install 'mim4d[world]'"]),
    "videos without their extra": (
        "import video DATA --out NEW",
        ["av", "pip install 'mim4d[video]'"],
    ),
    "the viewer without its extra": ("viewer DATA", ["viser", "pip install 'mim4d[viewer]'"]),
    "a rig that is not there": (
        "world NEW --rig ROOT/car.yaml",
        ["--rig", "car.yaml", "not found"],
    ),
    "images without their rig": ("predict RUN DATA", ["no cameras.yaml", "mim4d render"]),
    "a study of no run": (
        "study --data DATA --pretrained ROOT/rnu --out NEW",
        ["there is no such run folder", "did you mean 'run'"],
    ),
    "a study of a run that has not finished": (
        "study --data DATA --pretrained RUN --out NEW",
        ["has not finished", "--resume"],
    ),
    "numbers into a folder": (
        "evaluate RUN --data DATA --json ROOT",
        ["--json", "is a folder; give the name of a file"],
    ),
    "a folder where a file is": (
        "ablate toy --data DATA --out RUN/config.json",
        ["--out", "config.json: is a file; give another folder"],
    ),
    "a page below a file": (
        "runs ROOT --page RUN/config.json/runs.html",
        ["--page", "config.json is a file"],
    ),
    "a run where a file is": (
        "pretrain toy --data DATA --out RUN/config.json",
        ["--out", "config.json: is a file; give another folder"],
    ),
    "a run below a file": (
        "import-official RUN/config.json --out RUN/config.json/run",
        ["--out", "config.json is a file; give another folder"],
    ),
    "a data set below a file": (
        "import rig DATA --out RUN/config.json/data",
        ["--out", "config.json is a file; give another folder"],
    ),
    "an example where a file is": (
        "import rig --template RUN/config.json",
        ["--template", "config.json: is a file"],
    ),
    "a world where a file is": (
        "world RUN/config.json --overwrite",
        ["config.json: is a file; give another folder"],
    ),
    "a demo where a file is": ("demo RUN/config.json", ["config.json: is a file"]),
    "a picture where a folder is": (
        "view DATA --out ROOT",
        ["--out", "is a folder; give the name"],
    ),
    "pictures where a file is": (
        "render RUN --data DATA --out RUN/config.json",
        ["--out", "config.json: is a file"],
    ),
    "a video where a folder is": (
        "render RUN --data DATA --video ROOT",
        ["--video", "is a folder; give the name of a file"],
    ),
    "a page where a folder is": (
        "bench report RUN/config.json --out ROOT",
        ["--out", "is a folder; give the name of a file"],
    ),
    "a cache where a file is": (
        "finetune vehicles toy --data DATA --out NEW --init none --volume-cache RUN/config.json",
        ["--volume-cache", "config.json: is a file; give another folder"],
    ),
    "an export where a file is": (
        "export RUN --to timm --out RUN/config.json",
        ["--out", "config.json is a file; give another folder"],
    ),
    "an export where a folder is": (
        "export RUN --to timm --out ROOT/tiny.safetensors --overwrite",
        ["--out", "tiny.safetensors: is a folder; give the name of a file"],
    ),
    "an export for another framework": (
        "export RUN --to mmdet --out new.safetensors",
        ["--out new.safetensors", "ends in .pth"],
    ),
    "less than no options": ("runs ROOT --options -1", ["--options -1", "0 or more"]),
    "a negative seed": ("split DATA --out NEW --seed -1", ["--seed -1", "0 or more"]),
    "a negative seed of several": (
        "ablate toy --data DATA --out NEW --headline-seeds 0 -1",
        ["--headline-seeds -1", "0 or more"],
    ),
    "a negative seed of labels": (
        "study --data DATA --pretrained RUN --out NEW --subset-seeds -1 0",
        ["--subset-seeds -1", "0 or more"],
    ),
    "a negative seed of a training": (
        "pretrain toy --data DATA --out NEW --seed -1",
        ["config seed", "0 or more", "-1"],
    ),
    "a negative seed of a world": ("world NEW --seed -1", ["--seed -1", "0 or more"]),
    "a logger without its extra": (
        "pretrain toy --data DATA --out NEW --logger wandb",
        ["wandb", "pip install 'mim4d[wandb]'"],
    ),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    root = tmp_path_factory.mktemp("mistakes")
    data = write_tiny_dataset(root / "tiny")
    for name, config in {
        "run": preset("toy"),
        "young": preset("toy"),
        "lost": preset("toy"),
        "empty": preset("toy"),
        "task": task_preset("toy", "vehicles"),
    }.items():
        create_run(root / name, config, data, ["tiny-0"], {"overfit": 0})
        (root / name / "checkpoints").mkdir()
        if name != "young":
            (root / name / "checkpoints" / "step-0000003.ckpt").touch()
    (root / "lost" / "record.json").unlink()
    (root / "tiny.safetensors").mkdir()
    (root / "empty" / "config.json").write_text("")
    places = {"ROOT": root, "DATA": data, "NEW": root / "new"}
    places |= {name.upper(): root / name for name in ("run", "young", "lost", "empty", "task")}
    commands = [_in_words(words, places) for words, _ in TABLE.values()]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, HIDDEN],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    assert not (root / "new").exists()
    return dict(zip(TABLE, json.loads(done.stdout), strict=True))


def _in_words(words: str, places: dict[str, Path]) -> list[str]:
    for name, place in places.items():
        words = words.replace(name, str(place))
    return words.split()


@pytest.mark.slow
@pytest.mark.parametrize("mistake", TABLE)
def test_a_mistake_is_answered_at_once(mistake: str, answers: dict[str, list[object]]) -> None:
    status, text, heavy, seconds = answers[mistake]
    assert status == 2, text
    assert all(part in str(text) for part in TABLE[mistake][1]), text
    assert heavy == []
    assert "Traceback" not in str(text)
    assert "loading" not in str(text)
    assert float(str(seconds)) < 1.0, f"{seconds} s of processor time"
