"""Which clips at which step, and every draw for them: a function of (seed, step, place) alone.

A clip's place counts all clips of one optimiser step, over its micro-steps and processes: so one
process with a batch of two, two processes, and two micro-steps draw the same. Because no state is
kept, a run that resumes at step k sees exactly what an unbroken run would have seen, whatever the
number of loader workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Sampler

from mim4d.data.augment.clip_augmentation import ClipRequest

_AUGMENTATION_STREAM = 2**21
"""Where a place would stand: keeps augmentation's seeds apart from those of the model's draws."""


@dataclass(frozen=True)
class StepShape:
    """How the clips of one optimiser step are dealt out.

    Attributes:
        batch_size: Clips of one forward pass.
        accumulate: Micro-steps, whose gradients are averaged.
        world_size: Processes.
    """

    batch_size: int
    accumulate: int = 1
    world_size: int = 1

    @property
    def clips_per_step(self) -> int:
        """The effective batch size."""
        return self.batch_size * self.accumulate * self.world_size

    def places(self, micro_step: int = 0, rank: int = 0) -> range:
        """Places of the clips of one forward pass of one process among all of the step."""
        first = (micro_step * self.world_size + rank) * self.batch_size
        return range(first, first + self.batch_size)


@dataclass(frozen=True)
class StepKind:
    """What a step reads.

    Attributes:
        shape: How its clips are dealt out.
        key_alone: Whether of each clip only the key frame is read.
    """

    shape: StepShape
    key_alone: bool = False


def spread_evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` of `count` indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int)).tolist()


def step_generators(seed: int, step: int, places: range) -> list[torch.Generator]:
    """A CPU generator for each of these clips of a step."""
    return [torch.Generator().manual_seed(step_seed(seed, step, place)) for place in places]


def step_seed(seed: int, step: int, place: int = 0) -> int:
    """A well-mixed 63-bit number from seed, step and place (SplitMix64's finaliser)."""
    value = (
        seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + place * 0x2545F4914F6CDD1D + 1
    ) % 2**64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
    return (value ^ (value >> 31)) >> 1


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, size: int) -> list[int]:
    generator = torch.Generator().manual_seed(step_seed(seed, epoch, place=2**20))
    return torch.randperm(size, generator=generator).tolist()


def clip_index(position: int, num_clips: int, seed: int) -> int:
    """The clip at a position of the endless stream of shuffled epochs."""
    epoch, offset = divmod(position, num_clips)
    return _permutation(seed, epoch, num_clips)[offset]


class StepSampler(Sampler[list[ClipRequest]]):
    """Batches of clips for one process, for steps `first_step` to the last of `kinds`.

    An epoch is every one of `num_clips`, or of `order`, in which clips may come several times.
    Each clip comes with the seed of its augmentation.
    Its length is that of all steps, also where a resumed run draws only the rest: that is how
    the trainer counts.
    """

    def __init__(
        self,
        num_clips: int,
        kinds: Sequence[StepKind],
        seed: int,
        first_step: int = 0,
        rank: int = 0,
        order: Sequence[int] | None = None,
    ) -> None:
        self.order = range(num_clips) if order is None else order
        self.kinds = kinds
        self.seed = seed
        self.first_step = first_step
        self.rank = rank

    def __len__(self) -> int:
        return sum(kind.shape.accumulate for kind in self.kinds)

    def __iter__(self) -> Iterator[list[ClipRequest]]:
        for step in range(self.first_step, len(self.kinds)):
            kind = self.kinds[step]
            for micro_step in range(kind.shape.accumulate):
                places = kind.shape.places(micro_step, self.rank)
                yield [self._request(kind, step, place) for place in places]

    def _request(self, kind: StepKind, step: int, place: int) -> ClipRequest:
        position = step * kind.shape.clips_per_step + place
        return ClipRequest(
            self.order[clip_index(position, len(self.order), self.seed)],
            step_seed(step_seed(self.seed, step, place), 0, _AUGMENTATION_STREAM),
            kind.key_alone,
        )
