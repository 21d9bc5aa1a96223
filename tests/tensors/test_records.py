from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from mim4d.tensors.records import by_field, join, map_tensors, take


@dataclass(frozen=True)
class Inner:
    x: Tensor


@dataclass(frozen=True)
class Outer:
    inner: Inner
    lists: list[Tensor]
    nothing: None


@dataclass(frozen=True)
class Named:
    x: Tensor
    name: str


def _outer() -> Outer:
    x = torch.arange(6.0).view(3, 2)
    return Outer(Inner(x), [x + 10, x + 20], None)


def test_records_are_joined_in_depth() -> None:
    one, two = torch.tensor([[1.0]]), torch.tensor([[2.0], [3.0]])
    joined = join([Outer(Inner(one), [one, two], None), Outer(Inner(two), [two, two], None)])
    assert joined.inner.x.tolist() == [[1.0], [2.0], [3.0]]
    assert [x[:, 0].tolist() for x in joined.lists] == [[1.0, 2.0, 3.0], [2.0, 3.0, 2.0, 3.0]]
    assert joined.nothing is None


def test_records_are_joined_along_another_axis() -> None:
    left, right = Inner(torch.tensor([[1.0], [2.0]])), Inner(torch.tensor([[3.0], [4.0]]))
    assert join([left, right], dim=1).x.tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_a_single_record_is_itself_and_what_cannot_be_joined_is_refused() -> None:
    record = Inner(torch.ones(1))
    assert join([record]) is record
    with pytest.raises(TypeError, match="cannot join str"):
        join([Named(torch.ones(1), "a"), Named(torch.ones(1), "b")])


def test_entries_are_taken_in_depth_in_the_order_asked_for() -> None:
    taken = take(_outer(), torch.tensor([2, 0]))
    assert taken.inner.x.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert [x[:, 0].tolist() for x in taken.lists] == [[14.0, 10.0], [24.0, 20.0]]
    assert taken.nothing is None


def test_what_all_entries_share_is_left_whole() -> None:
    taken = take(_outer(), torch.tensor([1]), shared=("x",))
    assert taken.inner.x.shape == (3, 2)
    assert taken.lists[0].tolist() == [[12.0, 13.0]]


def test_a_stretch_of_a_later_axis_is_a_view() -> None:
    record = Inner(torch.arange(6.0).view(3, 2))
    part = take(record, (slice(None), slice(1, 2)))
    assert part.x.tolist() == [[1.0], [3.0], [5.0]]
    assert part.x.data_ptr() == record.x[:, 1:].data_ptr()


def test_what_was_cut_apart_is_joined_again() -> None:
    whole = Inner(torch.rand(2, 7))
    parts = [take(whole, (slice(None), slice(i, i + 3))) for i in range(0, 7, 3)]
    assert torch.equal(join(parts, dim=1).x, whole.x)


def test_every_tensor_is_mapped_and_the_rest_stays() -> None:
    mapped = map_tensors(_outer(), lambda tensor: -tensor)
    assert mapped.inner.x[0].tolist() == [0.0, -1.0]
    assert mapped.lists[1][0].tolist() == [-20.0, -21.0]
    named = map_tensors(Named(torch.ones(1), "a"), torch.neg)
    assert (named.x.item(), named.name) == (-1.0, "a")


def test_a_field_is_made_of_that_field_of_all_records() -> None:
    records = [Named(torch.ones(1), "a"), Named(torch.zeros(1), "b")]
    made = by_field(records, lambda name, values: values[-1] if name == "x" else "+".join(values))
    assert (made.x.item(), made.name) == (0.0, "a+b")
