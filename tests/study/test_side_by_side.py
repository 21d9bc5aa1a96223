"""Work one after the other, and which device a process takes."""

import pytest

from mim4d.errors import NonFiniteError
from mim4d.study.side_by_side import device_of, finish_all


def test_what_broke_off_is_given_with_its_error_and_the_rest_goes_on() -> None:
    done: list[int] = []

    def finish(number: int) -> None:
        if number == 2:
            raise NonFiniteError("step 3")
        done.append(number)

    found = list(finish_all([1, 2, 3], finish, 1))
    assert done == [1, 3]
    assert [(item, str(error)) for item, error in found if error] == [(2, "step 3")]


def test_any_other_error_ends_all() -> None:
    def finish(number: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(finish_all([1], finish, 1))


def test_processes_take_devices_in_turn() -> None:
    assert [device_of(place, 2, None) for place in range(4)] == ["0", "1", "0", "1"]
    assert [device_of(place, 2, "3,5") for place in range(3)] == ["3", "5", "3"]
