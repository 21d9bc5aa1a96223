"""The order of clips and their augmentation are functions of (seed, step, place, rank)."""

from mim4d.data.augmentation import ClipRequest
from mim4d.training.sampling import StepSampler, step_seed


def _requests(
    first: int = 0, rank: int = 0, world_size: int = 1, seed: int = 3
) -> list[list[ClipRequest]]:
    return list(StepSampler(5, 2, 10, seed, first_step=first, rank=rank, world_size=world_size))


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


def test_two_processes_share_the_stream_of_one_with_the_doubled_batch() -> None:
    halves = zip(_steps(rank=0, world_size=2), _steps(rank=1, world_size=2), strict=True)
    both = [a + b for a, b in halves]
    assert both == [[r.index for r in batch] for batch in StepSampler(5, 4, 10, seed=3)]


def test_seeds_of_neighbouring_steps_and_ranks_differ() -> None:
    seeds = {step_seed(s, step, rank) for s in range(4) for step in range(50) for rank in range(4)}
    assert len(seeds) == 4 * 50 * 4


def test_no_two_clips_are_augmented_alike() -> None:
    runs = [_requests(rank=rank, world_size=2, seed=seed) for rank in (0, 1) for seed in (3, 4)]
    seeds = [request.seed for run in runs for batch in run for request in batch]
    assert len(set(seeds)) == len(seeds) == 2 * 2 * 10 * 2
    # Nor do they share a stream with what the model draws in the same step.
    drawn = {step_seed(3, step, rank) for step in range(10) for rank in (0, 1)}
    assert not drawn & set(seeds)
