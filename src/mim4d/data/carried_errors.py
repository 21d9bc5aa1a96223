"""A loader whose processes hand errors over as they are.

Torch hands over the type of an error and a text that holds its traceback, from which the message
cannot be told again. Here what a user can act on, a `ValueError` or an `OSError`, travels in place
of the batch that it prevented, and is raised where the batch is wanted.
"""

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset, get_worker_info

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class _Failure:
    """What came instead of an item or of a batch."""

    error: Exception


class CarryingLoader(DataLoader[T_co]):
    """Torch's loader; errors of the data set and of `collate_fn` arrive with type and message.

    Where they come from another process, its traceback is a note of theirs.

    Args:
        dataset: Items by index.
        collate_fn: Makes a batch of some items.
        options: The loader's other ones.
    """

    def __init__(
        self, dataset: Dataset[T_co], *, collate_fn: Callable[[list[Any]], Any], **options: Any
    ) -> None:
        items, join = _Items(dataset), _Joining(collate_fn)
        super().__init__(items, collate_fn=join, **options)

    def __iter__(self) -> Any:
        """The batches; raises the error of the first that could not be made."""
        for batch in super().__iter__():
            if isinstance(batch, _Failure):
                raise batch.error
            yield batch


class _Items(Dataset[Any]):
    """The items of a data set, or why there is none."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, index: Any) -> Any:
        return _attempt(lambda: self._dataset[index])

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]  # the data set has a length


class _Joining:
    """Joins items, unless one of them is none."""

    def __init__(self, join: Callable[[list[Any]], Any]) -> None:
        self._join = join

    def __call__(self, items: list[Any]) -> Any:
        failed = [item for item in items if isinstance(item, _Failure)]
        return failed[0] if failed else _attempt(lambda: self._join(items))


def _attempt(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except (ValueError, OSError) as error:
        if get_worker_info() is None:
            return _Failure(error)
        error.add_note("".join(traceback.format_exception(error)))
        if not _travels(error):
            raise
        return _Failure(error)


def _travels(error: Exception) -> bool:
    """Whether another process would get the same error."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return type(copy) is type(error) and str(copy) == str(error)
