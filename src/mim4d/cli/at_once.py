"""What can be known of a command before anything heavy is imported: paths, runs, devices.

Each function passes, or raises what the user should read. They are called by the options' own
`check`, which the dispatcher calls before a command imports torch, so that mistakes are answered in
a fraction of a second. What only the content of files can tell is found later, by what reads them.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mim4d.config import Device, RunConfig
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.dataset_folder import find_version
from mim4d.data.tables.json_rows import loads
from mim4d.errors import MissingFileError, need_extra
from mim4d.files import nearest_name
from mim4d.runs.record import (
    Kind,
    read_config,
    read_run_config,
    read_task_config,
    refuse_existing,
)
from mim4d.runs.run_files import ENCODER_FILE, EXPORTED_FILE, latest_checkpoint

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
"""Where those who start processes write the number of each."""


def at_least(least: int, **values: int | Sequence[int] | None) -> None:
    """Refuse numbers that are too small; `max_clips` stands for --max-clips, None for not given."""
    for name, value in values.items():
        given = () if value is None else (value,) if isinstance(value, int) else value
        for number in given:
            if number < least:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} {number}: expected {least} or more")


def data_set(data: Path, version: str | None, scenes: SceneChoice | None = None) -> None:
    """Refuse a folder that is no data set, and scenes that it has not."""
    version = find_version(data, version)
    if scenes is not None and (names := _scene_names(data / version / "scene.json")):
        scenes.scenes(data, version, names)


def _scene_names(table: Path) -> Sequence[str]:
    """Names in the table of scenes; none where it cannot be read, which its reader says better."""
    try:
        return [str(row["name"]) for row in loads(table.read_bytes())]
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def run_folder(run: Path, kind: Kind | None = None, *, finished: bool = False) -> RunConfig:
    """The configuration of a run that has a checkpoint, or all of its steps.

    Args:
        run: The folder.
        kind: What it must have trained; None: anything.
        finished: Whether it must have done all of its steps; an exported folder has its weights.
    """
    config = read_run_config(run) if kind is None else run_of_kind(run, kind)
    has_encoder = any((run / name).is_file() for name in (ENCODER_FILE, EXPORTED_FILE))
    if finished and not has_encoder:
        raise ValueError(
            f"{run / ENCODER_FILE}: not found; the run has not finished, continue it with --resume"
        )
    if not finished and latest_checkpoint(run) is None:
        raise ValueError(f"{run}: has no checkpoint yet")
    return config


def run_of_kind(run: Path, kind: Kind) -> RunConfig:
    """The configuration of a run that trained what is wanted."""
    return read_config(run) if kind == "pretraining" else read_task_config(run)


def is_first_process() -> bool:
    """Whether this is the only process of the command, or the first of several."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def new_run(run: Path) -> None:
    """Refuse a folder that holds something, unless the first of several processes has made it."""
    output_folder(run, "--out")
    if is_first_process():
        refuse_existing(run)


def existing(path: Path | None, flag: str = "") -> None:
    """Refuse a file or folder that is not there; None is one that was not asked for."""
    if path is not None and not path.exists():
        raise MissingFileError(f"{flag} {path}: not found{nearest_name(path)}".strip())


def config_files(config: RunConfig) -> None:
    """Refuse weights and masks that are not there."""
    if config.encoder.weights == "lite0_imagenet":
        need_extra("lite0", "--encoder.weights lite0_imagenet")
    existing(config.encoder.weights_file, "--encoder.weights-file")
    existing(config.clip.body_masks, "--clip.body-masks")
    existing(config.clip.sky_masks, "--clip.sky-masks")


def device(wanted: Device) -> None:
    """Refuse a device that this machine surely has not; torch has the last word."""
    if (wanted == "mps" and sys.platform != "darwin") or (wanted == "cuda" and not _maybe_cuda()):
        raise ValueError(f"--device {wanted}: there is no such device here; use --device auto")


def _maybe_cuda() -> bool:
    """Whether a driver is there (AMD's counts as CUDA for torch); elsewhere than on Linux: yes."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def drawing(purpose: str = "drawing") -> None:
    """Refuse to draw without matplotlib."""
    need_extra("viz", purpose)


def output_file(path: Path | None, flag: str = "") -> None:
    """Refuse a file that could not be written when the work is done; None is not asked for."""
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{flag} {path}: is a folder; give the name of a file".strip())
    _refuse_unwritable(path, path.parent, flag)


def output_folder(path: Path | None, flag: str = "") -> None:
    """Refuse a folder that could not be made or written to; None is not asked for."""
    if path is not None:
        _refuse_unwritable(path, path, flag)


def _refuse_unwritable(path: Path, folder: Path, flag: str) -> None:
    """Refuse what is to be written to a folder that cannot be made or written to."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        what = "is a file" if there == path else f"{there} is a file"
        raise ValueError(f"{flag} {path}: {what}; give another folder".strip())
    if not os.access(there, os.W_OK):
        message = f"{flag} {path}: no permission to write in {there}; give another place"
        raise ValueError(message.strip())


def new_folder(out: Path, flag: str = "", otherwise: str = "") -> None:
    """Refuse to write into a folder that holds something."""
    output_folder(out, flag)
    if out.is_dir() and any(out.iterdir()):
        advice = ", ".join(filter(None, ("choose another folder", otherwise)))
        raise ValueError(f"{out}: is there already and is not an empty folder; {advice}")
