"""Records of tensors joined along their leading axis: what single clips drew, as one batch."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

Record = TypeVar("Record")


def join(records: Sequence[Record]) -> Record:
    """Tensors are concatenated along their first axis; dataclasses and lists are entered.

    Args:
        records: At least one; all of one type, with lists of one length and None in the same
            places.

    Raises:
        TypeError: For anything that is neither tensor, dataclass, list nor None.
    """
    if len(records) == 1:
        return records[0]
    parts: list[Any] = list(records)
    first = parts[0]
    joined: Any
    if isinstance(first, Tensor):
        joined = torch.cat(parts)
    elif isinstance(first, list):
        joined = [join(column) for column in zip(*parts, strict=True)]
    elif is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        joined = replace(first, **{n: join([getattr(r, n) for r in parts]) for n in names})
    elif all(part is None for part in parts):
        joined = None
    else:
        raise TypeError(f"cannot join {type(first).__name__}: expected tensors or records of them")
    return joined
