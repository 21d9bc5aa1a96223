"""The run folder: what was run, with what, and what came out.

`config.json` (resolved), `record.json` (kind, command, seed, versions, commit), `changes.diff`
(uncommitted edits of the code, if any), `metrics.jsonl` (one line per step), `checkpoints/`,
`tensorboard/`. Imports no torch, so that a mistyped folder is answered at once.
"""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mim4d.config import PretrainConfig, RunConfig, TaskConfig
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.files import nearest_name, read_text, write_text
from mim4d.version import installed_version

if TYPE_CHECKING:
    from mim4d.data.tables.tables import NuscenesTables

_PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")

Kind = Literal["pretraining", "task"]
"""What a run trained; records that do not say are of pre-trainings."""
CONFIGS: dict[Kind, type[RunConfig]] = {"pretraining": PretrainConfig, "task": TaskConfig}


def kind_of(config: RunConfig) -> Kind:
    """What a run of this configuration trains."""
    return "task" if isinstance(config, TaskConfig) else "pretraining"


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
    config: RunConfig,
    data: Path,
    scenes: list[str],
    facts: dict[str, Any],
) -> None:
    """Create the folder of a new run and write what is known before the first step.

    Args:
        run: The folder.
        config: Of the run.
        data: Folder of the data set.
        scenes: Those trained on.
        facts: What else makes it this run, as a resumed one is compared with it.
    """
    facts = {"data": str(data.resolve()), "training_scenes": scenes, **facts}
    write_record(run, config, facts)
    # Last, because a folder with a config counts as a run.
    write_text(run / "config.json", config_to_json(config))


def write_record(run: Path, config: RunConfig, facts: dict[str, Any]) -> None:
    """Write how a run folder came about.

    Args:
        run: The folder.
        config: Of the run.
        facts: What is to be known beside command, time, seed and versions: of every run `data` (a
            folder, or None where no folder of ours was trained on) and `training_scenes`.
    """
    commit, changes = _code_state()
    record = {
        "kind": kind_of(config),
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
        "seed": config.seed,
        "mim4d": installed_version(),
        "commit": commit,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    write_text(run / "record.json", json.dumps(record, indent=2) + "\n")
    if changes:
        write_text(run / "changes.diff", changes)


def read_record(run: Path) -> dict[str, Any]:
    """What `create_run` recorded of an existing run.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    path = run / "record.json"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found, though the folder holds a run; bring it back, or start a new --out"
        )
    try:
        record = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not valid JSON ({error}); it is damaged or cut: restore it from a copy, or "
            "start a new --out"
        ) from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: no record of a run; restore it from a copy")
    missing = [name for name in ("data", "training_scenes") if name not in record]
    if missing:
        raise ValueError(f"{path}: does not say {' and '.join(missing)}; restore it from a copy")
    return record


def was_trained_on(run: Path, tables: "NuscenesTables", scenes: list[str]) -> bool:
    """Whether any of these scenes of a data set was trained on, wherever it lies now."""
    return bool(scenes_trained_on(run, tables, scenes))


def scenes_trained_on(run: Path, tables: "NuscenesTables", scenes: Sequence[str]) -> list[str]:
    """Those of some scenes of a data set that were trained on, wherever it lies now.

    Scenes are known by their samples. Of runs whose record does not tell these, the path of the
    data set decides. An imported model was trained on scenes of nuScenes, known by their names.
    """
    from mim4d.data.fingerprint import scene_fingerprints

    record = read_record(run)
    trained = record.get("data_set", {}).get("scenes")
    if trained is not None:
        here, known = scene_fingerprints(tables, scenes), set(trained.values())
        return [name for name in scenes if here.get(name) in known]
    if record["data"] not in (None, str(tables.root.resolve())):
        return []
    return [name for name in scenes if name in record["training_scenes"]]


def run_kind(run: Path) -> Kind:
    """What an existing run trained.

    Raises:
        ValueError: If the folder is no run folder, or its record tells of no kind known here.
    """
    if not run.exists():
        raise ValueError(
            f"{run}: there is no such run folder{nearest_name(run)}; give the --out of "
            "`mim4d pretrain` or `mim4d finetune`"
        )
    if not (run / "config.json").is_file():
        raise ValueError(
            f"{run}: not a run folder (it has no config.json); give the --out of `mim4d pretrain` "
            "or `mim4d finetune`"
        )
    kind = read_record(run).get("kind", "pretraining") if (run / "record.json").is_file() else None
    if kind not in (None, *CONFIGS):
        raise ValueError(
            f"{run / 'record.json'}: kind is {kind!r}; expected one of {', '.join(CONFIGS)}"
        )
    return kind or "pretraining"


def read_run_config(run: Path) -> RunConfig:
    """The config of an existing run of any kind.

    Raises:
        ValueError: If the folder is no run folder or its config does not fit this version.
    """
    path = run / "config.json"
    kind = CONFIGS[run_kind(run)]
    return config_from_json(read_text(path), str(path), kind)


def read_config(run: Path) -> PretrainConfig:
    """The config of an existing pre-training run.

    Raises:
        ValueError: If the folder holds none, or its config does not fit this version.
    """
    config = read_run_config(run)
    if not isinstance(config, PretrainConfig):
        raise ValueError(f"{run}: is the run of a task; a pre-training is needed here")
    return config


def read_task_config(run: Path) -> TaskConfig:
    """The config of an existing run of a task.

    Raises:
        ValueError: If the folder holds none, or its config does not fit this version.
    """
    config = read_run_config(run)
    if not isinstance(config, TaskConfig):
        raise ValueError(f"{run}: is a pre-training; the run of a task is needed here")
    return config


def config_differences(ours: RunConfig, theirs: RunConfig) -> list[str]:
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
    root = Path(__file__).parents[1]
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, _git(root, "diff", "HEAD", "--", str(root))
    except (OSError, subprocess.CalledProcessError):
        return None, ""


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout
