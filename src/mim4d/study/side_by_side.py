"""Work that is done one after the other, or in several processes at once.

Items enter, and a function that finishes one; each is given back when it is done. With CUDA,
processes take the devices in turn.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

import torch

from mim4d.errors import NonFiniteError

Item = TypeVar("Item")
Outcome = tuple[Item, NonFiniteError | None]


def finish_all(
    items: Sequence[Item], finish: Callable[[Item], None], jobs: int
) -> Iterator[Outcome[Item]]:
    """Finish items one after the other, or side by side, and give each when it is done.

    One that broke off is given with its error; any other error ends all.

    Args:
        items: What is to be done.
        finish: Does it; with several jobs it must be possible to pickle.
        jobs: How many at once.

    Raises:
        ValueError: If a process was ended from outside.
    """
    if jobs > 1:
        yield from _side_by_side(items, finish, jobs)
        return
    for item in items:
        yield item, _broken_off(partial(finish, item))


def _side_by_side(
    items: Sequence[Item], finish: Callable[[Item], None], jobs: int
) -> Iterator[Outcome[Item]]:
    spawn = multiprocessing.get_context("spawn")
    waiting, going = list(items), dict[Future[None], Item]()
    with _pool(spawn, jobs) as pool:
        while waiting or going:
            # No more than are computed: what waits in the pool would begin after an interruption.
            while waiting and len(going) < jobs:
                item = waiting.pop(0)
                going[pool.submit(finish, item)] = item
            for future in wait(going, return_when=FIRST_COMPLETED).done:
                item = going.pop(future)
                try:
                    yield item, _broken_off(future.result)
                except BrokenProcessPool as error:
                    raise ValueError(
                        "a process was ended from outside, perhaps for want of memory; give the "
                        "same command again, with fewer --jobs"
                    ) from error


def _pool(spawn: SpawnContext, jobs: int) -> ProcessPoolExecutor:
    started = spawn.Value("i", 0)
    return ProcessPoolExecutor(
        jobs, spawn, _begin_process, (jobs, torch.cuda.device_count(), started)
    )


def _begin_process(jobs: int, num_devices: int, started: "Synchronized[int]") -> None:
    """A process of several takes its share of the cores, and one of the devices."""
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    with started.get_lock():
        place = started.value
        started.value += 1
    if num_devices > 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = device_of(
            place, num_devices, os.environ.get("CUDA_VISIBLE_DEVICES")
        )


def device_of(place: int, num_devices: int, visible: str | None) -> str:
    """The device of one of several processes, by the name that CUDA_VISIBLE_DEVICES has for it."""
    names = visible.split(",") if visible else [str(number) for number in range(num_devices)]
    return names[place % len(names)]


def _broken_off(finish: Callable[[], None]) -> NonFiniteError | None:
    """Why it broke off; None if it is whole."""
    try:
        finish()
    except NonFiniteError as error:
        return error
    return None
