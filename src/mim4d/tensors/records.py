"""Records of tensors (dataclasses) as a whole: joined, cut to some entries, mapped.

A record holds tensors, lists of them, further records, and what is no tensor at all. One index, one
axis or one function applies to all of its tensors alike.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import Field, fields, is_dataclass, replace
from types import EllipsisType
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class _Dataclass(Protocol):
    """Any instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Record = TypeVar("Record", bound=_Dataclass)
Part = Tensor | slice | EllipsisType | int
Index = Part | tuple[Part, ...]


def by_field(records: Sequence[Record], make: Callable[[str, list[Any]], Any]) -> Record:
    """A record whose every field is made of that field of the given ones.

    Args:
        records: At least one, all of one type.
        make: The field's name and its values, one of each record, to the new value.
    """
    names = [field.name for field in fields(records[0])]
    return replace(records[0], **{n: make(n, [getattr(r, n) for r in records]) for n in names})


def map_tensors(record: Record, function: Callable[[Tensor], Tensor]) -> Record:
    """The record with every tensor replaced; lists and records in it are entered."""
    return by_field([record], lambda _, values: _mapped(values[0], function))


def take(record: Record, index: Index, shared: Collection[str] = ()) -> Record:
    """Some entries of every tensor: what `tensor[index]` gives.

    Args:
        record: Its tensors have the axes that are indexed in common.
        index: Of the leading axis; a tuple for several axes.
        shared: Fields, of the record and of records in it, that are the same for all entries.
    """

    def taken(name: str, values: list[Any]) -> Any:
        (value,) = values
        if name in shared:
            return value
        if _is_record(value):
            return take(value, index, shared)
        return _mapped(value, lambda tensor: tensor[index])

    return by_field([record], taken)


def join(records: Sequence[Record], dim: int = 0) -> Record:
    """Every tensor concatenated with its like; lists and records are entered.

    Args:
        records: At least one; all of one type, with lists of one length and None in the same
            places. A single one is returned as it is.
        dim: The axis.

    Raises:
        TypeError: For anything in them that is neither tensor, record, list nor None.
    """
    return _joined(list(records), dim)


def _mapped(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, list):
        return [_mapped(item, function) for item in value]
    return map_tensors(value, function) if _is_record(value) else value


def _joined(parts: list[Any], dim: int) -> Any:
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(parts, dim=dim)
    if isinstance(first, list):
        return [_joined(list(column), dim) for column in zip(*parts, strict=True)]
    if _is_record(first):
        return by_field(parts, lambda _, values: _joined(values, dim))
    if all(part is None for part in parts):
        return None
    raise TypeError(f"cannot join {type(first).__name__}: expected tensors or records of them")


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
