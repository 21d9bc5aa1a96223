"""Which frames are dropped, and from which others each is rebuilt."""

import pytest
import torch

from mim4d.pretraining.dropping import DroppedFrame, Dropping, draw_dropped, source_frames


def _draws(dropping: Dropping, frames: int, key: int = 0, count: int = 60) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [draw_dropped(dropping, frames, key, generator).tolist() for _ in range(count)]


@pytest.mark.parametrize(
    ("frame", "count", "seen"),
    [
        ("inner", 1, {1, 2, 3}),
        ("any", 1, {0, 1, 2, 3, 4}),
        ("key", 1, {3}),
        ("inner", 3, {1, 2, 3}),
        ("any", 2, {0, 1, 2, 3, 4}),
        ("key", 2, {0, 1, 2, 3, 4}),
    ],
)
def test_drawn_frames_are_allowed_and_all_different(
    frame: DroppedFrame, count: int, seen: set[int]
) -> None:
    draws = _draws(Dropping(frame, count), frames=5, key=3)
    assert {f for drawn in draws for f in drawn} == seen
    assert all(len(set(drawn)) == count for drawn in draws)
    if frame == "key":
        assert all(drawn[0] == 3 for drawn in draws)


def test_a_key_frame_counted_from_the_end() -> None:
    assert _draws(Dropping("key"), frames=4, key=-1, count=1) == [[3]]


def test_one_dropped_frame_is_drawn_as_a_number_of_its_range() -> None:
    """Recorded runs draw `randint(low, high)`: their steps must stay what they were."""
    generator = torch.Generator().manual_seed(0)
    expected = [int(torch.randint(1, 4, (1,), generator=generator)) for _ in range(60)]
    assert [f for drawn in _draws(Dropping("inner"), frames=5) for f in drawn] == expected


def test_nothing_is_dropped_of_a_single_frame() -> None:
    drawn = draw_dropped(Dropping("inner", count=0), 1, 0, torch.Generator())
    assert drawn.shape == (0,)
    for together in (True, False):
        assert source_frames(drawn[None], 1, together).shape[:2] == (1, 0)


def test_sources_by_hand() -> None:
    dropped = torch.tensor([[3, 1], [0, 4]])
    assert source_frames(dropped, 5, together=True).tolist() == [
        [[0, 2, 4], [0, 2, 4]],
        [[1, 2, 3], [1, 2, 3]],
    ]
    assert source_frames(dropped, 5, together=False).tolist() == [
        [[0, 1, 2, 4], [0, 2, 3, 4]],
        [[1, 2, 3, 4], [0, 1, 2, 3]],
    ]


def test_one_dropped_frame_has_the_same_sources_either_way() -> None:
    dropped = torch.tensor([[0], [1], [2]])
    both = [source_frames(dropped, 3, together) for together in (True, False)]
    assert torch.equal(*both)
