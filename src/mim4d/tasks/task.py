"""What a task is: what a head on the trunk's volume learns, and how its answers are judged.

A task is a class made from the head's options and the trunk's grid. Everything else about a run
(clips, trunk, loop, run folder, commands) is the same for all tasks and knows only this page.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import Metric

from mim4d.config.head import HeadConfig
from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid

Score = float | int | None
"""A number of a table; None where nothing was there to be measured."""
Scores = dict[str, dict[str, Score]]
"""What a task's metric computes: a table's rows by name, and in each the same columns by name."""
Head = TypeVar("Head", bound=HeadConfig)


@runtime_checkable
class Task(Protocol):
    """What a trunk is trained for.

    Types of outputs, targets and answers are the task's own business: what one method returns, the
    others take. Targets are made on the device of the clip, for each clip by itself, and may raise
    a `DataError` where the data lack what the task needs.
    """

    def build_head(self, channels: int) -> nn.Module:
        """The head, with random weights: volumes `b c z y x` of the key frame to an output.

        Its norms should see each clip by itself, so that two clips at once equal two of one.
        """

    def targets(self, clip: Clip) -> Any:
        """What is true at the key frame of each clip of a batch."""

    def losses(self, output: Any, targets: Any) -> dict[str, Tensor]:
        """Scalars by name, means over the clips; `loss` is what is minimised."""

    def decode(self, output: Any) -> Any:
        """The answer that a user wants, from the head's output."""

    def build_metric(self) -> Metric:
        """A fresh metric: `update(answer, targets)` for each batch, then `compute()` → `Scores`.

        Its states should be sums, so that processes and batches add up exactly. Where it has an
        attribute `headline`, that names the column by which answers are compared; else the first.
        """


@runtime_checkable
class HasFurtherTables(Protocol):
    """A metric that has more to show than its table."""

    def further_tables(self) -> dict[str, Scores]:
        """Tables that stand apart, by their titles."""


@runtime_checkable
class KnowsTheUsual(Protocol):
    """A task that has an answer without looking: the floor under every head's scores."""

    def usual(self, truths: Sequence[Any]) -> Any:
        """What is usual: from the targets of some single clips, an answer for any one clip."""


@runtime_checkable
class TaskInImages(Protocol):
    """A task that can be learned in the images themselves as well, where its things appear.

    That teaches the image encoder what they look like without a detour through the volume; what
    finds them in the images is not asked for after training.
    """

    def build_image_head(self, channels: int) -> nn.Module:
        """Features of the key frame's images, `m c hf wf`, to an output."""

    def image_loss(self, output: Any, clip: Clip, targets: Any) -> Tensor:
        """Mean over the clips; the output is image by image, those of a clip one after another."""


@runtime_checkable
class ScheduledTask(Protocol):
    """A task whose losses change over a run as well, as a function of the step alone."""

    def losses_at_step(self, output: Any, targets: Any, step: int) -> dict[str, Tensor]:
        """As `Task.losses`, at an optimiser step."""


@dataclass(frozen=True)
class StepShare:
    """What a batch is of a step that several processes take together, each with its own.

    Attributes:
        processes: How many there are.
        sum: Of a tensor over all of them; each calls it equally often, with equal shapes.
    """

    processes: int = 1
    sum: Callable[[Tensor], Tensor] = lambda own: own

    def divisors(self, counts: Float[Tensor, " s"]) -> Float[Tensor, " s"]:
        """By what sums over this batch are divided, so that processes equal one large batch.

        How many there are of something in all batches, but at least one, over the processes: the
        mean of the quotients is then the sum over all batches by that number.

        Args:
            counts: How many there are of some things in this batch.
        """
        return self.sum(counts).clamp(min=1) / self.processes


@runtime_checkable
class CountingTask(Protocol):
    """A task whose losses are divided by numbers of things in a step, not clip by clip."""

    def losses_of_share(self, output: Any, targets: Any, share: StepShare) -> dict[str, Tensor]:
        """As `Task.losses`, of one process's share of a step."""


def losses_of(
    task: Task, output: Any, targets: Any, step: int, share: StepShare | None = None
) -> dict[str, Tensor]:
    """A task's losses at an optimiser step, asked for as the task has them.

    Args:
        task: The task.
        output: Of its head.
        targets: Of the same clips.
        step: Optimiser step.
        share: What the clips are of that step; None: all of it.
    """
    if isinstance(task, ScheduledTask):
        return task.losses_at_step(output, targets, step)
    if isinstance(task, CountingTask):
        return task.losses_of_share(output, targets, share or StepShare())
    return task.losses(output, targets)


def require_head(task: str, options: HeadConfig, wanted: type[Head]) -> Head:
    """The options, if the head is of the task's own kind; a preset of another task has another.

    Args:
        task: Name of the task.
        options: Of the head that was given.
        wanted: The kind of head that the task knows.

    Raises:
        ValueError: If the head is of another kind.
    """
    if not isinstance(options, wanted):
        raise ValueError(
            f"the task {task} needs a head of kind {wanted.kind}, not {options.kind}; choose a "
            "preset that is made for it, such as demo"
        )
    return options


def number_of_token(token: str) -> int:
    """A number that is a sample's own, whichever process reads it; exact in a float64."""
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=6).digest())


class TaskType(Protocol):
    """The class of a task."""

    def __call__(self, options: HeadConfig, grid: VoxelGrid) -> Task:
        """A task for a trunk whose volumes lie on `grid`."""
