"""The run folder: what was run, with what, and what came out.

`config.json` (resolved), `record.json` (command, seed, versions, commit), `changes.diff`
(uncommitted edits of the code, if any), `metrics.jsonl` (one line per step), `checkpoints/`,
`tensorboard/`.
"""

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mim4d
from mim4d.config import PretrainConfig
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.files import write_text

_PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")


def refuse_existing(run: Path) -> None:
    """Refuse a run folder that already holds something.

    Raises:
        ValueError: If it does.
    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ValueError(
            f"{run}: already exists and is not an empty folder; choose another --out, or continue "
            "the run in it with --resume"
        )


def create_run(
    run: Path,
    config: PretrainConfig,
    data: Path,
    scenes: list[str],
    overfit: int,
    num_processes: int = 1,
    start_from: Path | None = None,
) -> None:
    """Create the folder of a new run and write what is known before the first step."""
    facts = {
        "data": str(data.resolve()),
        "training_scenes": scenes,
        "overfit": overfit,
        "processes": num_processes,
        "start_from": None if start_from is None else str(start_from.resolve()),
    }
    write_record(run, config, facts)
    # Last, because a folder with a config counts as a run.
    write_text(run / "config.json", config_to_json(config))


def write_record(run: Path, config: PretrainConfig, facts: dict[str, Any]) -> None:
    """Write how a run folder came about.

    Args:
        run: The folder.
        config: Of the run.
        facts: What is to be known beside command, time, seed and versions: of every run `data` (a
            folder, or None where no folder of ours was trained on) and `training_scenes`.
    """
    commit, changes = _code_state()
    record = {
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
        "seed": config.seed,
        "mim4d": mim4d.__version__,
        "commit": commit,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    write_text(run / "record.json", json.dumps(record, indent=2) + "\n")
    if changes:
        write_text(run / "changes.diff", changes)


def read_record(run: Path) -> dict[str, Any]:
    """What `create_run` recorded of an existing run."""
    record: dict[str, Any] = json.loads((run / "record.json").read_text())
    return record


def was_trained_on(run: Path, data: Path, scenes: list[str]) -> bool:
    """Whether any of these scenes of a data set was trained on.

    An imported model was trained on scenes of nuScenes: their names tell them, wherever they lie.
    """
    record = read_record(run)
    same = record["data"] in (None, str(data.resolve()))
    return same and not set(scenes).isdisjoint(record["training_scenes"])


def read_config(run: Path) -> PretrainConfig:
    """The config of an existing run.

    Raises:
        ValueError: If the folder is no run folder or its config does not fit this version.
    """
    path = run / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{run}: not a run folder (it has no config.json); give the --out of `mim4d pretrain`"
        )
    return config_from_json(path.read_text(), str(path))


def config_differences(ours: PretrainConfig, theirs: PretrainConfig) -> list[str]:
    """Paths and values in which two configs differ, for messages."""
    a, b = json.loads(config_to_json(ours)), json.loads(config_to_json(theirs))
    return list(_differences(a, b, ""))


def _differences(a: object, b: object, path: str) -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        found: list[str] = []
        for key in a:
            found += _differences(a[key], b.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if a == b else [f"{path} ({a} / {b})"]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _code_state() -> tuple[str | None, str]:
    """Commit and uncommitted changes of the code, where it runs from a git checkout."""
    root = Path(mim4d.__file__).parent
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, _git(root, "diff", "HEAD", "--", str(root))
    except (OSError, subprocess.CalledProcessError):
        return None, ""


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout
