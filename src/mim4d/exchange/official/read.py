"""An mmcv checkpoint on disk to a state dict: tensors and plain values are read, never code.

What leaves has official names, without averaged weights: those stand beside the raw ones in the
same file, under names that say so, and are chosen here.
"""

import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from mim4d.exchange.official.checkpoint_layout import LayoutError
from mim4d.exchange.official.translate import Verdict

Weights = Literal["raw", "ema"]
_STATISTICS = re.compile(r".*\.(running_mean|running_var|num_batches_tracked)")
_AVERAGED = "ema_"


@dataclass(frozen=True)
class Chosen:
    """One set of weights out of a file that may hold two.

    Attributes:
        state: By official name.
        rest: Verdicts on the keys of the other set.
    """

    state: dict[str, Tensor]
    rest: tuple[Verdict, ...]


def read_state(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint's state dict, averaged ones too, under the names in the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds anything but tensors and plain values, or no state dict.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = _load(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise ValueError(f"{path}: holds no state dict; expected an mmcv checkpoint of the release")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"{path}: holds no state dict: entry {name!r} is a {type(value).__name__}, "
                "not a tensor; expected an mmcv checkpoint of the release"
            )
        _check_value(path, name, value)
    return without_prefix(state)


def _load(path: Path) -> Any:
    """Whatever is in the file, as long as it is harmless."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that are refused all the same
            # Mapped files are read where they are looked at: optimiser states are not.
            return torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except Exception as error:
        raise ValueError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__}): it is damaged, or "
            "holds more than tensors and plain values; nothing of it was run. Download it again, "
            "from its authors"
        ) from error


def _check_value(path: Path, name: str, value: Tensor) -> None:
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        raise ValueError(f"{path}: {name} is no plain tensor ({value.layout}, {value.dtype})")
    if value.is_floating_point() and not bool(value.isfinite().all()):
        raise ValueError(f"{path}: {name} holds values that are not finite")


def without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of what a wrapper for several processes was put around (`module.*`)."""
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): value for name, value in state.items()}
    return dict(state)


def choose_weights(state: Mapping[str, Tensor], weights: Weights) -> Chosen:
    """Take the raw or the averaged weights.

    The averaged weight of `a.b` is called `ema_a_b`. Running statistics are not averaged: both sets
    share them.

    Raises:
        LayoutError: If averaged weights are asked for that the file lacks, if some of them belong
            to nothing, or do not have the shape of what they average.
    """
    raw = {name: value for name, value in state.items() if not name.startswith(_AVERAGED)}
    averaged = {name: value for name, value in state.items() if name.startswith(_AVERAGED)}
    owners = {_AVERAGED + name.replace(".", "_"): name for name in raw}
    for name, value in averaged.items():
        if name not in owners:
            raise LayoutError(f"unknown key {name}: it is the average of no weight of the file")
        _check_like(name, value, raw[owners[name]])
    if weights == "raw":
        reason = "an averaged weight; --weights ema takes these"
        return Chosen(raw, tuple(Verdict(name, "unused", reason) for name in averaged))
    learned = [name for name in raw if not _STATISTICS.fullmatch(name)]
    missing = [name for name in learned if _AVERAGED + name.replace(".", "_") not in averaged]
    if missing:
        raise LayoutError(
            f"holds no averaged weights of {len(missing)} of its {len(learned)} weights, the first "
            f"being {missing[0]}; take --weights raw"
        )
    state = raw | {owners[name]: value for name, value in averaged.items()}
    rest = (Verdict(name, "mapped", f"taken for {owners[name]}") for name in averaged)
    return Chosen(state, tuple(rest))


def _check_like(name: str, value: Tensor, owner: Tensor) -> None:
    if (value.shape, value.dtype) != (owner.shape, owner.dtype):
        raise LayoutError(
            f"{name}: is {tuple(value.shape)} of {value.dtype}, and what it averages "
            f"{tuple(owner.shape)} of {owner.dtype}"
        )
