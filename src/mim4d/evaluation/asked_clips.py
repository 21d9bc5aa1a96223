"""A task's run asked about some clips of a data set, beside what is true of them: for pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar, Unpack

import torch

from mim4d.build.data import build_bare_dataset, build_dataset
from mim4d.config import Device
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.view import spread
from mim4d.progress import Report, counted, silent
from mim4d.runs.loading import load_task
from mim4d.runs.record import was_trained_on
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import Task
from mim4d.training.devices import choose_accelerator

Kind = TypeVar("Kind")
"""The class of the task that is asked."""


@dataclass(frozen=True)
class AskedClip:
    """One clip, what a run says of it and what is true.

    Attributes:
        clip: The clip (b = 1), on the CPU.
        index: Its number in the data set.
        count: How many clips there are.
        trained_on: Whether the head was trained on its scene.
        answer: What the task decodes, on the device of the model.
        truth: The task's targets, on the CPU; None of data without truth.
    """

    clip: Clip
    index: int
    count: int
    trained_on: bool
    answer: Any
    truth: Any

    @property
    def title(self) -> str:
        """For a picture: scene, number, and whether it was trained on."""
        trained = ", TRAINING scene" if self.trained_on else ""
        return f"{self.clip.scene_names[0]}, clip {self.index} of {self.count}{trained}"


class Asked(TypedDict):
    """About which clips a run is asked, and how.

    Attributes:
        clips: How many, spread over the scenes.
        scenes: Which scenes.
        version: Version folder of the data set; None where there is only one.
        device: Where to compute; by default what there is.
        bare: The data are images alone: all scenes are meant, and nothing is true. Off by default.
        progress: Told how many clips are done, of how many; silent by default.
    """

    clips: int
    scenes: SceneChoice
    version: NotRequired[str | None]
    device: NotRequired[Device]
    bare: NotRequired[bool]
    progress: NotRequired[Report]


def ask_run(
    run: Path, data: Path, kind: type[Kind], **asked: Unpack[Asked]
) -> tuple[Kind, Iterator[AskedClip]]:
    """The task of a run, and its answers about clips spread over the scenes.

    Args:
        run: Run folder of a task.
        data: Data set.
        kind: The task that the run must be of.
        **asked: See `Asked`.

    Raises:
        ValueError: For anything wrong with run or data, or if the run is of another task.
    """
    clips, bare = asked["clips"], asked.get("bare", False)
    if clips < 1:
        raise ValueError(f"--clips {clips}: expected at least 1")
    accelerator = choose_accelerator(asked.get("device", "auto"))
    model, task, config = load_task(run)
    if not isinstance(task, kind):
        raise ValueError(f"{run}: holds a run of the task {config.task}, not of {kind.__name__}")
    if bare:
        dataset = build_bare_dataset(config, data)
    else:
        scenes, version = asked["scenes"], asked.get("version")
        dataset = build_dataset(config, data, scenes, version, judged=True)
    model.to(accelerator)

    def ask() -> Iterator[AskedClip]:
        for index in counted(spread(len(dataset), clips), asked.get("progress", silent)):
            known = not bare and was_trained_on(run, dataset.tables, [dataset.scene_name(index)])
            yield ask_clip(model, task, dataset, index, trained_on=known, bare=bare)

    return task, ask()


@torch.no_grad()
def ask_clip(
    model: TaskModel,
    task: Task,
    dataset: NuscenesDataset,
    index: int,
    *,
    trained_on: bool,
    bare: bool = False,
) -> AskedClip:
    """The answer of a model in evaluation mode about one clip, on the device of its weights."""
    clip = dataset[index]
    device = next(model.parameters()).device
    answer = task.decode(model(clip.to(device)))
    truth = None if bare else task.targets(clip)
    return AskedClip(clip, index, len(dataset), trained_on, answer, truth)
