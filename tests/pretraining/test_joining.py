from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from mim4d.pretraining.joining import join


@dataclass(frozen=True)
class Inner:
    x: Tensor


@dataclass(frozen=True)
class Outer:
    inner: Inner
    lists: list[Tensor]
    nothing: None


def test_records_are_joined_in_depth() -> None:
    one, two = torch.tensor([[1.0]]), torch.tensor([[2.0], [3.0]])
    joined = join([Outer(Inner(one), [one, two], None), Outer(Inner(two), [two, two], None)])
    assert joined.inner.x.tolist() == [[1.0], [2.0], [3.0]]
    assert [x[:, 0].tolist() for x in joined.lists] == [[1.0, 2.0, 3.0], [2.0, 3.0, 2.0, 3.0]]
    assert joined.nothing is None


def test_a_single_record_is_itself_and_what_cannot_be_joined_is_refused() -> None:
    record = Inner(torch.ones(1))
    assert join([record]) is record
    with pytest.raises(TypeError, match="cannot join str"):
        join(["a", "b"])
