from collections.abc import Callable

import pytest
from torch.utils.data import Dataset

from mim4d.data.carried_errors import CarryingLoader
from mim4d.errors import DataError, MissingFileError

MESSAGE = "scene 3: Error: value Error: 7 is bad\n  in two lines: Error: "


class TwoArguments(ValueError):
    """Cannot be made again of its arguments."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


class Failing(Dataset[int]):
    """Every item but the third is its own number."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self.error = error

    def __getitem__(self, index: int) -> int:
        if index == 3:
            raise self.error()
        return index

    def __len__(self) -> int:
        return 6


def _batches(dataset: Dataset[int], workers: int) -> CarryingLoader[int]:
    return CarryingLoader(dataset, batch_size=2, collate_fn=list, num_workers=workers)


def _bad_data() -> Exception:
    return DataError(MESSAGE)


def _missing() -> Exception:
    return MissingFileError(MESSAGE)


def _two_arguments() -> Exception:
    return TwoArguments("here", "this")


def _programming() -> Exception:
    return ZeroDivisionError("ours")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("error", "kind"), [(_bad_data, DataError), (_missing, MissingFileError)])
def test_an_error_arrives_as_it_was_raised(
    workers: int, error: Callable[[], Exception], kind: type[Exception]
) -> None:
    batches = iter(_batches(Failing(error), workers))
    assert next(batches) == [0, 1]
    with pytest.raises(DataError) as caught:
        next(batches)
    assert type(caught.value) is kind
    assert str(caught.value) == MESSAGE


def test_an_error_from_another_process_says_where_it_arose() -> None:
    with pytest.raises(DataError) as caught:
        list(_batches(Failing(_bad_data), 1))
    assert "in __getitem__" in "".join(caught.value.__notes__)


def test_joining_a_batch_may_fail_too() -> None:
    loader = CarryingLoader(Failing(_bad_data), batch_size=2, collate_fn=_refuse, num_workers=1)
    with pytest.raises(ValueError, match="do not fit") as caught:
        next(iter(loader))
    assert str(caught.value) == "Error: 2 do not fit"


def _refuse(items: list[int]) -> list[int]:
    raise ValueError(f"Error: {len(items)} do not fit")


@pytest.mark.parametrize("error", [_two_arguments, _programming])
def test_what_cannot_be_carried_or_is_our_own_fault_still_stops(
    error: Callable[[], Exception],
) -> None:
    with pytest.raises(Exception, match="Caught") as caught:
        list(_batches(Failing(error), 1))
    assert str(error()) in str(caught.value)


@pytest.mark.slow
def test_without_errors_nothing_changes() -> None:
    fine = _Fine(_bad_data)
    for workers in (0, 1):
        assert list(_batches(fine, workers)) == [[0, 1], [2, 3], [4, 5]]


class _Fine(Failing):
    def __getitem__(self, index: int) -> int:
        return index
