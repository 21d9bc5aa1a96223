"""Volumes of a frozen trunk, kept on disk: what does not change need not be computed twice.

A file holds the volume of one clip that the head reads. Its folder is named by what decides it: the
trunk's weights and options, and the tables of the data set. Each volume is computed of its clip
alone, so that it does not depend on which clips a batch happened to join.
"""

import hashlib
import json
from dataclasses import fields
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mim4d.config import AugmentConfig, TaskConfig, TrunkConfig
from mim4d.config.as_json import config_to_json
from mim4d.data.clip import Clip, separate
from mim4d.data.tables.column_cache import content_key
from mim4d.data.tables.dataset_folder import find_version
from mim4d.files import replacing
from mim4d.tasks.model import TaskModel

_DECIDES = ("sample", "sample_data", "calibrated_sensor", "ego_pose")
"""Tables that decide what a clip's images and poses are."""


def has_lasting_volumes(config: TaskConfig) -> bool:
    """Whether a clip's volume is the same each time: a frozen trunk, clips as they are."""
    return config.frozen == "trunk" and config.augment == AugmentConfig()


def _as_flags(augment: AugmentConfig) -> str:
    """What switches off each change that is on, as it is typed."""
    usual = AugmentConfig()
    words = []
    for field in fields(AugmentConfig):
        off = getattr(usual, field.name)
        if getattr(augment, field.name) != off:
            values = off if isinstance(off, tuple) else (off,)
            words += [f"--augment.{field.name.replace('_', '-')}", *(f"{v}" for v in values)]
    return " ".join(words)


class VolumeCache:
    """Volumes of one trunk and one data set.

    Args:
        folder: Where volumes of all trunks and data sets may lie.
        config: Of the run.
        data: Folder of the data set.
        version: Version folder, where there are several.

    Raises:
        ValueError: If volumes would change: the trunk learns, or clips are augmented.
    """

    def __init__(
        self,
        folder: Path,
        config: TaskConfig,
        data: Path,
        version: str | None = None,
    ) -> None:
        if config.frozen != "trunk":
            raise ValueError(
                "--volume-cache: only volumes of a frozen trunk can be cached, and frozen is "
                f"{config.frozen}; pass --frozen trunk, or leave it out"
            )
        if config.augment != AugmentConfig():
            raise ValueError(
                "--volume-cache: augmented clips have other volumes every time; leave "
                f"--volume-cache out, or switch the changes off: {_as_flags(config.augment)}"
            )
        self._root = folder
        self._config = config
        self._tables = (data / find_version(data, version)).resolve()
        self._folder: Path | None = None

    def volumes(self, model: TaskModel, clip: Clip) -> Float[Tensor, "b c z y x"]:
        """The volume that the head reads of each clip, from disk or computed and kept."""
        return torch.cat([self._volume(model, one) for one in separate(clip)])

    def _volume(self, model: TaskModel, clip: Clip) -> Float[Tensor, "1 c z y x"]:
        path = self._folder_of(model) / f"{clip.key_tokens[0]}.safetensors"
        try:
            return load_file(path)["volume"].to(clip.images.device)
        except (FileNotFoundError, SafetensorError):
            volume = model.look(clip).volume
        with replacing(path) as temporary:
            save_file({"volume": volume.cpu().contiguous()}, temporary)
        return volume

    def _folder_of(self, model: TaskModel) -> Path:
        """Asked for at the first clip: a resumed run has its weights by then."""
        if self._folder is None:
            self._folder = self._root / _key(model, self._config, self._tables)
        return self._folder


def _key(model: TaskModel, config: TaskConfig, tables: Path) -> str:
    digest = hashlib.sha256()
    for part in (model.encoder, model.join):
        for name, value in sorted(part.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    options = json.loads(config_to_json(config))
    decide = [
        field.name for field in fields(TrunkConfig) if field.name not in ("preset", "augment")
    ]
    decide += ["join", "given_depth"]
    digest.update(json.dumps({name: options[name] for name in decide}).encode())
    digest.update(content_key([tables / f"{name}.json" for name in _DECIDES]).encode())
    return digest.hexdigest()[:24]
