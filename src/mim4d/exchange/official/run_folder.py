"""An official checkpoint to a run folder like those that training leaves, and back.

`config.json`, `record.json`, `encoder.safetensors` and a checkpoint before the first step; beside
them `import.txt` (what became of every key) and `leftovers.safetensors` (the official weights that
ours have no place for). The folder is there whole or not at all.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from mim4d.config import PretrainConfig, TaskConfig
from mim4d.config.as_json import config_to_json
from mim4d.data.splits import official_splits
from mim4d.exchange.official.checkpoint_layout import LayoutError, OfficialLayout
from mim4d.exchange.official.describe import Metres, published_metres
from mim4d.exchange.official.key_report import full_list, summary
from mim4d.exchange.official.model import Imported, export_state, import_state
from mim4d.exchange.official.read import Weights, read_state
from mim4d.files import replacing_folder, write_bytes, write_text
from mim4d.runs.checkpoint import ENCODER_FILE, checkpoint_path
from mim4d.runs.loading import load_model, load_task
from mim4d.runs.record import read_run_config, refuse_existing, write_record

LEFTOVERS_FILE = "leftovers.safetensors"
_ENCODER = "encoder."


def import_official(
    file: Path,
    out: Path,
    weights: Weights = "raw",
    metres_of: Callable[[OfficialLayout], Metres] = published_metres,
) -> str:
    """Read an official checkpoint and leave a run folder.

    Args:
        file: The checkpoint; nothing in it is run.
        out: Folder to create.
        weights: The raw or the averaged weights.
        metres_of: What the weights of a layout do not say; by default what was published.

    Returns:
        What became of the file, in lines.

    Raises:
        ValueError: If the file is damaged, hostile or of something else, or anything in it does not
            fit; nothing is written then.
    """
    refuse_existing(out)
    state = read_state(file)
    try:
        imported = import_state(state, weights, metres_of)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    with replacing_folder(out) as folder:
        _write(imported, folder, state)
        write_record(folder, imported.config, _record(imported, file, weights))
        write_text(folder / "config.json", config_to_json(imported.config))
    return summary(imported, state)


def read_official_state(run: Path) -> dict[str, Tensor]:
    """The model of a run under the authors' names and values.

    Of an imported run, what was left over on import is there again, so that the whole state dict
    comes back; of a run that was started from one, the dead keys are missing.

    Raises:
        ValueError: If the run is not finished, or is of no model that the release knows.
    """
    config = read_run_config(run)
    if config.conventions.norms != "batch":
        raise LayoutError(f"{run}: its norms and conventions are not those of the release")
    assert isinstance(config, PretrainConfig | TaskConfig)
    is_task = isinstance(config, TaskConfig)
    model = load_task(run)[0] if is_task else load_model(run)[0]
    weights = dict(model.state_dict())
    leftovers = run / LEFTOVERS_FILE
    return export_state(weights, config, load_file(leftovers) if leftovers.is_file() else None)


def _write(imported: Imported, folder: Path, state: Mapping[str, Tensor]) -> None:
    weights = {name: value.contiguous().clone() for name, value in imported.weights.items()}
    encoder = {k.removeprefix(_ENCODER): v for k, v in weights.items() if k.startswith(_ENCODER)}
    write_bytes(folder / ENCODER_FILE, save(encoder))
    leftovers = imported.translation.leftovers
    left = {name: value.contiguous().clone() for name, value in leftovers.items()}
    write_bytes(folder / LEFTOVERS_FILE, save(left))
    write_text(folder / "import.txt", full_list(imported, state))
    path = checkpoint_path(folder, 0)
    path.parent.mkdir()
    checkpoint = {
        "mim4d_config": config_to_json(imported.config),
        "global_step": 0,
        "state_dict": {f"model.{name}": value for name, value in weights.items()},
    }
    torch.save(checkpoint, path)


def _record(imported: Imported, file: Path, weights: Weights) -> dict[str, Any]:
    """Where the model comes from. It was trained on nuScenes, wherever that lies."""
    return {
        "imported": {
            "file": str(file.resolve()),
            "sha256": _sha256(file),
            "weights": weights,
            "model": imported.layout.kind,
        },
        "data": None,
        "training_scenes": sorted(official_splits()["train"]),
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
