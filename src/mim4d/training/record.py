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

import mim4d
from mim4d.config import RunConfig, config_from_json, config_to_json

_PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")


def create_run(run: Path, config: RunConfig, data: Path, scenes: list[str]) -> None:
    """Create the folder of a new run and write what is known before the first step.

    Raises:
        ValueError: If the folder already holds something.
    """
    if run.exists() and any(run.iterdir()):
        raise ValueError(
            f"{run}: the run folder already exists and is not empty; choose another --out, or "
            "continue that run with --resume"
        )
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.json").write_text(config_to_json(config))
    commit, changes = _code_state()
    record = {
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": str(data.resolve()),
        "training_scenes": scenes,
        "seed": config.seed,
        "mim4d": mim4d.__version__,
        "commit": commit,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    (run / "record.json").write_text(json.dumps(record, indent=2) + "\n")
    if changes:
        (run / "changes.diff").write_text(changes)


def read_config(run: Path) -> RunConfig:
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


def training_scenes(run: Path) -> list[str]:
    """Names of the scenes a run was trained on."""
    scenes: list[str] = json.loads((run / "record.json").read_text())["training_scenes"]
    return scenes


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


def truncate_metrics(path: Path, num_steps: int) -> None:
    """Forget the lines of steps that a resumed run will do again."""
    if not path.exists():
        return
    kept = [line for line in path.read_text().splitlines() if _step_of(line) < num_steps]
    temporary = path.with_name(f".{path.name}")
    temporary.write_text("".join(f"{line}\n" for line in kept))
    temporary.replace(path)


def _step_of(line: str) -> float:
    try:
        step: int = json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError):
        # The run was killed while it wrote its last line.
        return float("inf")
    return step


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
