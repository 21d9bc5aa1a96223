"""The order of clips is a function of (seed, step, rank)."""

from mim4d.training.sampling import StepSampler, step_seed


def _steps(first: int = 0, rank: int = 0, world_size: int = 1) -> list[list[int]]:
    return list(StepSampler(5, 2, 10, seed=3, first_step=first, rank=rank, world_size=world_size))


def test_every_clip_comes_once_per_epoch() -> None:
    stream = [index for batch in _steps() for index in batch]
    assert len(stream) == 20
    for epoch in range(4):
        assert sorted(stream[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]
    assert stream[:5] != stream[5:10]


def test_a_resumed_sampler_goes_on_where_the_first_stopped() -> None:
    assert _steps(first=4) == _steps()[4:]


def test_two_processes_share_the_stream_of_one_with_the_doubled_batch() -> None:
    halves = zip(_steps(rank=0, world_size=2), _steps(rank=1, world_size=2), strict=True)
    both = [a + b for a, b in halves]
    assert both == list(StepSampler(5, 4, 10, seed=3))


def test_seeds_of_neighbouring_steps_and_ranks_differ() -> None:
    seeds = {step_seed(s, step, rank) for s in range(4) for step in range(50) for rank in range(4)}
    assert len(seeds) == 4 * 50 * 4
