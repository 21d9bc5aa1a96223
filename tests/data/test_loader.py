from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mim4d.data.augment.clip_augmentation import (
    BevRanges,
    ClipAugmentation,
    ColourRanges,
    ImageRanges,
)
from mim4d.data.clip import Clip
from mim4d.data.loader import LoadCost, Loading, Machine, build_loader, choose_loading
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.training.sampling import StepKind, StepSampler, StepShape

GIB = 2**30


@pytest.mark.parametrize(
    ("cores", "on_gpu", "load_s", "step_s", "expected"),
    [
        (16, True, 1.0, 0.5, 3),  # two keep up; half as much again
        (16, True, 0.1, 5.0, 1),
        (4, True, 9.0, 0.5, 3),  # one core stays for the steps
        (1, True, 9.0, 0.5, 1),
        (64, True, 90.0, 0.5, 16),  # as many as make sense
        (16, True, 9.0, None, 8),  # the step's time is not known
        (8, False, 9.0, 0.5, 4),  # steps on the CPU want cores themselves
        (2, False, 9.0, 0.5, 0),
    ],
)
def test_processes_by_hand(
    cores: int, on_gpu: bool, load_s: float, step_s: float | None, expected: int
) -> None:
    cost = LoadCost(load_s, 10 * 2**20, step_s)
    chosen = choose_loading(cost, Machine(cores, 8 * GIB), on_gpu)
    assert chosen == Loading(expected, pin_memory=on_gpu)


def test_memory_bounds_the_processes() -> None:
    # Each holds two batches in waiting and one in the making.
    machine = Machine(16, 7 * 3 * 2**20)
    assert choose_loading(LoadCost(9.0, 2**20, 0.1), machine, True).workers == 7
    assert choose_loading(LoadCost(9.0, 8 * 2**20, 0.1), machine, True).workers == 0


def test_what_the_user_says_holds() -> None:
    assert choose_loading(LoadCost(1.0, GIB, 1.0), Machine(2, 1), False, 5).workers == 5


def test_the_machine_is_measured() -> None:
    machine = Machine.here()
    assert machine.cores >= 1
    assert machine.free_bytes > 0


def batches(root: Path, workers: int, first_step: int = 0) -> list[Clip]:
    """Augmented in every way, in random order over several epochs."""
    augmentation = ClipAugmentation(
        ImageRanges((1.0, 1.3), 0.5),
        ColourRanges(0.2, 0.2, 0.2, 0.1, "camera"),
        BevRanges(0.3, (0.9, 1.1), 0.5, 0.5),
    )
    data = NuscenesDataset(root, frames=3, image_hw=(32, 64), augmentation=augmentation)
    sampler = StepSampler(len(data), [StepKind(StepShape(2))] * 7, 3, first_step)
    return list(islice(build_loader(data, sampler, Loading(workers, False)), 7 - first_step))


@pytest.mark.slow
def test_batches_depend_neither_on_processes_nor_on_where_one_begins(tiny_original: Path) -> None:
    whole = batches(tiny_original, workers=0)
    assert len({clip.key_tokens for clip in whole}) > 3
    assert len({float(clip.images.sum()) for clip in whole}) == 7
    for workers, first in ((0, 4), (2, 4)):
        again = batches(tiny_original, workers, first)
        assert len(again) == 7 - first
        for a, b in zip(whole[first:], again, strict=True):
            for name, value in vars(a).items():
                other = getattr(b, name)
                if isinstance(value, Tensor):
                    torch.testing.assert_close(value, other, atol=0, rtol=0, equal_nan=True)
                else:
                    assert value == other
