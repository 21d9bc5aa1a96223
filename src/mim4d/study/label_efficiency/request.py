"""What a study is asked for, checked before anything heavy is imported.

Words of the command line enter: how many scenes are labelled, which arms, how long. Nothing here
reads data.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from mim4d.config import Device

TaskName = Literal["vehicles", "bev_segmentation", "detection", "hd_map"]
ArmName = Literal[
    "random",
    "imagenet",
    "weights",
    "pretrained",
    "pretrained_encoder",
    "pretrained_depth",
    "pretrained_volume",
    "depth_only",
    "random_lidar",
    "exact_depth",
]
Rung = Literal["frozen", "full"]
ARM_NAMES: tuple[ArmName, ...] = get_args(ArmName)
BASELINE: ArmName = "random"
CEILING: ArmName = "exact_depth"
FLOORS: dict[TaskName, float] = {"detection": 5.0}
"""What random weights must reach, in percent, for a comparison to say something; else 1."""
SPLITS = ("official", "geo")
"""Splits that have a name; others are lists in files."""
MIN_RATES = 4
_QUICK_STEPS, _QUICK_CLIPS = 4, 2


@dataclass(frozen=True)
class Labels:
    """How many training scenes are labelled: a number, or a share of them.

    Attributes:
        word: As it was asked for.
        scenes: Number; None where a share was asked for.
        share: Of the training scenes.
    """

    word: str
    scenes: int | None
    share: float | None

    @classmethod
    def of(cls, word: str) -> "Labels":
        """From `3` (scenes) or `10%`.

        Raises:
            ValueError: If it is neither.
        """
        if re.fullmatch(r"[1-9]\d*", word):
            return cls(word, int(word), None)
        if re.fullmatch(r"\d+(\.\d+)?%", word) and 0 < float(word[:-1]) <= 100:
            return cls(word, None, float(word[:-1]) / 100)
        raise ValueError(
            f"--labels {word}: expected a number of scenes, such as 3, or a share such as 10%"
        )

    def count(self, available: int) -> int:
        """Scenes, where so many are there for training.

        Raises:
            ValueError: If there are too few.
        """
        if self.scenes is not None:
            wanted = self.scenes
        else:
            assert self.share is not None, "one of the two is given"
            wanted = round(self.share * available)
            if wanted == 0:
                raise ValueError(
                    f"--labels {self.word}: is less than one of {available} training scenes; ask "
                    f"for {100 / available:.3g}% or more, or for a number of scenes"
                )
        if wanted > available:
            raise ValueError(
                f"--labels {self.word}: the data set has only {available} training scenes"
            )
        return wanted


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is asked for.

    Attributes:
        data: Data set with labels and held-out scenes.
        pretrained: Run folder of the finished pre-training.
        out: Folder for everything.
        tasks: What is learned from labels.
        arms: What the trunk starts from.
        rungs: What is trained: the head alone, or everything.
        labels: How many scenes are labelled, as words.
        subset_seeds: Which scenes these are.
        seeds: Of the trainings.
        rates: Learning rates that each arm chooses from at first.
        steps: Optimiser steps of every training; None takes the task preset's.
        split: `official`, `geo`, or a file or folder that lists scenes.
        weights: Weights of the named timm model, for the arm `weights`.
        depth_only: A finished control; None trains one.
        join: What a head sees of several frames.
        floor: Percent that random weights must reach; None takes each task's own.
        clips: At most so many held-out clips.
        gap_m: Between the parts of a split by place.
        jobs: Runs side by side.
        quick: Only to see that everything runs.
        version: Version folder of the data set.
        device: Where to compute.
        command: To be shown with the table.
    """

    data: Path
    pretrained: Path
    out: Path
    tasks: tuple[TaskName, ...] = ("vehicles",)
    arms: tuple[ArmName, ...] = ("random", "pretrained", "depth_only")
    rungs: tuple[Rung, ...] = ("frozen", "full")
    labels: tuple[str, ...] = ("1", "5%", "10%", "100%")
    subset_seeds: tuple[int, ...] = (0, 1)
    seeds: tuple[int, ...] = (0, 1, 2)
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3, 8e-3)
    steps: int | None = None
    split: str = "official"
    weights: Path | None = None
    depth_only: Path | None = None
    join: Literal["key", "decoder"] = "key"
    floor: float | None = None
    clips: int | None = None
    gap_m: float = 30.0
    jobs: int = 1
    quick: bool = False
    version: str | None = None
    device: Device = "auto"
    command: str = "mim4d study"

    def __post_init__(self) -> None:
        names = ("tasks", "arms", "rungs", "labels", "subset_seeds", "seeds", "rates")
        for name in names:
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                flag, given = name.replace("_", "-"), " ".join(map(str, values))
                raise ValueError(f"--{flag} {given}: expected some, each of them once")
        for word in self.labels:
            Labels.of(word)
        self._check_arms()
        self._check_numbers()

    def _check_arms(self) -> None:
        if BASELINE not in self.arms:
            raise ValueError(
                f"--arms {' '.join(self.arms)}: {BASELINE} is missing, with which the others are "
                "compared"
            )
        if ("weights" in self.arms) != (self.weights is not None):
            raise ValueError(
                "the arm weights and --weights FILE belong together: give both, or neither"
            )
        if "depth_only" not in self.arms and self.depth_only is not None:
            raise ValueError("--depth-only: leave it out, or add depth_only to --arms")
        if "random_lidar" in self.arms and self.rungs == ("frozen",):
            raise ValueError(
                "arm random_lidar: LiDAR teaches the trunk, which is frozen; add full to --rungs, "
                "or leave the arm out"
            )
        if "pretrained_volume" in self.arms and self.join == "key":
            raise ValueError(
                "arm pretrained_volume: is the same as pretrained where a head sees one frame; "
                "leave it out, or add the temporal decoder by --join decoder"
            )

    def _check_numbers(self) -> None:
        if len(self.rates) < MIN_RATES:
            raise ValueError(
                f"--rates {' '.join(f'{r:g}' for r in self.rates)}: expected at least {MIN_RATES}, "
                "or a baseline might only be badly tuned"
            )
        if not all(0 < rate < math.inf for rate in self.rates):
            raise ValueError(f"--rates {' '.join(map(str, self.rates))}: expected positive numbers")
        for name in ("jobs", "steps", "clips"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} {value}: expected at least 1")
        if self.floor is not None and not 0 <= self.floor <= 100:
            raise ValueError(f"--floor {self.floor:g}: expected percent, 0 to 100")

    def floor_of(self, task: TaskName) -> float:
        """What random weights must reach in a task, percent."""
        if self.quick:
            return 0.0
        return FLOORS.get(task, 1.0) if self.floor is None else self.floor


def refuse_missing_lists(split: str) -> None:
    """Refuse a split that is neither a word nor a file or folder that is there.

    Raises:
        ValueError: If it is.
    """
    if split not in SPLITS and not Path(split).exists():
        raise ValueError(
            f"--split {split}: expected {', '.join(SPLITS)}, a folder that `mim4d split` wrote, or "
            "a JSON file with lists of scenes under train and val; there is no such file or folder"
        )


def quick(asked: Study) -> Study:
    """The same study made so small that it runs in minutes: only to see that everything does."""
    changes: dict[str, Any] = {
        "subset_seeds": asked.subset_seeds[:1],
        "seeds": asked.seeds[:1],
        "labels": ("1", "100%") if asked.labels == Study.labels else asked.labels,
        "steps": asked.steps or _QUICK_STEPS,
        "clips": asked.clips or _QUICK_CLIPS,
    }
    return replace(asked, **changes)
