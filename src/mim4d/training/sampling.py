"""Which clips at which step, and how they are augmented: a function of (seed, step, rank) alone.

Because no state is kept, a run that resumes at step k sees exactly what an unbroken run would have
seen, whatever the number of loader workers.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch.utils.data import Sampler

from mim4d.data.augmentation import ClipRequest

_AUGMENTATION_STREAM = 2**21
"""In the place of a rank: keeps the seeds of clips apart from those of steps."""


def step_generator(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """A CPU generator for one step of one process."""
    return torch.Generator().manual_seed(step_seed(seed, step, rank))


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """A well-mixed 63-bit number from seed, step and rank (SplitMix64's finaliser)."""
    value = (
        seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + rank * 0x2545F4914F6CDD1D + 1
    ) % 2**64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
    return (value ^ (value >> 31)) >> 1


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, size: int) -> list[int]:
    generator = torch.Generator().manual_seed(step_seed(seed, epoch, rank=2**20))
    return torch.randperm(size, generator=generator).tolist()


def clip_index(position: int, num_clips: int, seed: int) -> int:
    """The clip at a position of the endless stream of shuffled epochs."""
    epoch, offset = divmod(position, num_clips)
    return _permutation(seed, epoch, num_clips)[offset]


class StepSampler(Sampler[list[ClipRequest]]):
    """Batches of clips for steps `first_step` to `num_steps` − 1.

    Each clip comes with the seed of its augmentation.
    Its length is `num_steps`, also where a resumed run draws only the rest: that is how the trainer
    counts.
    """

    def __init__(
        self,
        num_clips: int,
        batch_size: int,
        num_steps: int,
        seed: int,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.num_clips = num_clips
        self.batch_size = batch_size
        self.num_steps = num_steps
        self.seed = seed
        self.first_step = first_step
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return self.num_steps

    def __iter__(self) -> Iterator[list[ClipRequest]]:
        for step in range(self.first_step, self.num_steps):
            start = (step * self.world_size + self.rank) * self.batch_size
            step_of_rank = step_seed(self.seed, step, self.rank)
            yield [
                ClipRequest(
                    clip_index(start + place, self.num_clips, self.seed),
                    step_seed(step_of_rank, place, _AUGMENTATION_STREAM),
                )
                for place in range(self.batch_size)
            ]
