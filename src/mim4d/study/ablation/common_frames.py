"""Held-out frames that every row can evaluate, whatever the clips of the row look like.

Configurations enter, tokens of key samples leave. Rows for which the data set has no clip are left
out, and that is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mim4d.build.data import build_dataset
from mim4d.config import PretrainConfig
from mim4d.errors import DataError, MissingFileError
from mim4d.evaluation import EvaluatedView, spread
from mim4d.evaluation.held_out import target_samples


@dataclass(frozen=True)
class Targets:
    """The frames that are measured.

    Attributes:
        tokens: Of their samples, in the order of the data set.
        num_common: Frames that all rows could evaluate, of which `tokens` are some.
        num_full: Frames that the first row could evaluate.
        left_out: Why rows have no clips, by name.
    """

    tokens: tuple[str, ...]
    num_common: int
    num_full: int
    left_out: dict[str, str]


def common_targets(
    configs: Mapping[str, PretrainConfig], data: Path, version: str | None, most: int | None
) -> Targets:
    """Frames of held-out scenes that all rows rebuild, at most so many, evenly spread.

    Args:
        configs: By row, the one that the others are compared with first.
        data: Data set.
        version: Its version folder.
        most: Largest number of frames; None takes all.

    Raises:
        ValueError: If the data are wrong, the first row has no clips, or no frame is common to all.
    """
    if most is not None and most < 1:
        raise ValueError(f"--clips {most}: expected at least 1")
    first, *others = configs
    full = _targets(configs[first], data, version)
    common, left_out = full, {}
    for name in others:
        try:
            found = set(_targets(configs[name], data, version))
        except MissingFileError:
            raise
        except DataError as error:
            left_out[name] = str(error)
            continue
        common = [token for token in common if token in found]
    if not common:
        raise ValueError(
            f"{data}: no held-out frame can be evaluated by all rows; take fewer of --rows, or a "
            "data set with longer scenes"
        )
    tokens = tuple(common[i] for i in spread(len(common), most))
    return Targets(tokens, len(common), len(full), left_out)


def _targets(config: PretrainConfig, data: Path, version: str | None) -> list[str]:
    """Samples whose frames a configuration evaluates; it must have clips to train on, too."""
    build_dataset(config, data, "train", version)
    frame = EvaluatedView.of(config, stride=1).frame
    found = target_samples(build_dataset(config, data, "val", version), frame)
    return [token for token in found if token is not None]
