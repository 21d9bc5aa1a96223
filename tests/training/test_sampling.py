"""The order of clips and their augmentation are functions of (seed, step, place)."""

import pytest

from mim4d.data.augment.clip_augmentation import ClipRequest
from mim4d.training.sampling import StepKind, StepSampler, StepShape, step_seed


def _requests(
    first: int = 0, rank: int = 0, world_size: int = 1, seed: int = 3
) -> list[list[ClipRequest]]:
    shape = StepShape(2, world_size=world_size)
    return list(StepSampler(5, [StepKind(shape)] * 10, seed, first_step=first, rank=rank))


def _steps(first: int = 0, rank: int = 0, world_size: int = 1) -> list[list[int]]:
    return [[r.index for r in batch] for batch in _requests(first, rank, world_size)]


def test_every_clip_comes_once_per_epoch() -> None:
    stream = [index for batch in _steps() for index in batch]
    assert len(stream) == 20
    for epoch in range(4):
        assert sorted(stream[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]
    assert stream[:5] != stream[5:10]


def test_a_resumed_sampler_goes_on_where_the_first_stopped() -> None:
    assert _requests(first=4) == _requests()[4:]


def _whole_steps(shape: StepShape, first: int = 0) -> list[list[ClipRequest]]:
    """All clips of each step, in the order of their places."""
    kinds = [StepKind(shape)] * 10
    ranks = [list(StepSampler(5, kinds, 3, first, rank)) for rank in range(shape.world_size)]
    batches = [batch for together in zip(*ranks, strict=True) for batch in together]
    size = shape.accumulate * shape.world_size
    groups = (batches[i : i + size] for i in range(0, len(batches), size))
    return [[request for batch in group for request in batch] for group in groups]


@pytest.mark.parametrize(
    "shape", [StepShape(2, world_size=2), StepShape(1, 4), StepShape(1, 2, 2), StepShape(2, 2)]
)
def test_processes_and_micro_steps_share_the_stream_of_one_larger_batch(shape: StepShape) -> None:
    """Clips and their augmentation alike, also after a resumption."""
    assert shape.clips_per_step == 4
    assert _whole_steps(shape) == _whole_steps(StepShape(4))
    assert _whole_steps(shape, first=6) == _whole_steps(StepShape(4))[6:]
    kinds = [StepKind(shape)] * 10
    assert len(StepSampler(5, kinds, 3, first_step=6)) == 10 * shape.accumulate


def test_each_step_reads_what_its_kind_asks_for() -> None:
    """Wherever the run is resumed."""
    alone, whole = StepKind(StepShape(3), key_alone=True), StepKind(StepShape(1))
    kinds = [alone, whole, whole, alone]
    batches = list(StepSampler(5, kinds, 3))
    assert [len(batch) for batch in batches] == [3, 1, 1, 3]
    assert [batch[0].key_alone for batch in batches] == [True, False, False, True]
    assert len(StepSampler(5, kinds, 3)) == 4
    assert list(StepSampler(5, kinds, 3, first_step=2)) == batches[2:]


def test_places_count_all_clips_of_a_step() -> None:
    shape = StepShape(batch_size=2, accumulate=3, world_size=2)
    places = [list(shape.places(micro, rank)) for micro in range(3) for rank in range(2)]
    assert places == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_seeds_of_neighbouring_steps_and_places_differ() -> None:
    seeds = {step_seed(s, step, i) for s in range(4) for step in range(50) for i in range(4)}
    assert len(seeds) == 4 * 50 * 4


def test_no_two_clips_are_augmented_alike() -> None:
    runs = [_requests(rank=rank, world_size=2, seed=seed) for rank in (0, 1) for seed in (3, 4)]
    seeds = [request.seed for run in runs for batch in run for request in batch]
    assert len(set(seeds)) == len(seeds) == 2 * 2 * 10 * 2
    # Nor do they share a stream with what the model draws in the same step.
    drawn = {step_seed(3, step, place) for step in range(10) for place in range(4)}
    assert not drawn & set(seeds)
