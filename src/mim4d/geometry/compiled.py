"""Loops compiled by numba where torch's own kernels are several times slower.

numba comes with an extra. Without it whoever calls a kernel has a way of torch's to the same
values, which is also how a GPU computes them. Kernels are compiled at their first call and cached
beside their source; they run without Python's lock, so that parts of the work share the processors.
"""

import functools
import importlib
import importlib.util
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch


@functools.cache
def has_compiler() -> bool:
    """Whether kernels can be compiled here."""
    return importlib.util.find_spec("numba") is not None


class Kernel:
    """A loop over arrays, written in plain Python, that numba compiles when it is first called.

    The function's first two arguments are the first part of the work it does and the end of it.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    @functools.cached_property
    def compiled(self) -> Callable[..., None]:
        """What numba makes of it. Sums may be reordered; NaN and infinity keep their meaning."""
        numba: Any = importlib.import_module("numba")
        options = {"cache": True, "nogil": True, "error_model": "numpy"}
        fastmath = {"arcp", "contract", "nsz", "reassoc"}
        result: Callable[..., None] = numba.njit(**options, fastmath=fastmath)(self.function)
        return result

    def __call__(self, num_parts: int, *arguments: Any) -> None:
        """Do all of the work, on as many threads as torch would."""
        threads = min(torch.get_num_threads(), num_parts)
        if threads <= 1:
            self.compiled(0, num_parts, *arguments)
            return
        ends = [num_parts * k // threads for k in range(threads + 1)]
        own, *others = itertools.pairwise(ends)
        running = [
            _helpers(threads - 1).submit(self.compiled, *part, *arguments) for part in others
        ]
        self.compiled(*own, *arguments)
        for part in running:
            part.result()


@functools.cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """Threads that wait for work; to start them for each call would cost more than a short call."""
    return ThreadPoolExecutor(count, thread_name_prefix="mim4d-kernel")


if hasattr(os, "register_at_fork"):  # threads do not outlive a fork
    os.register_at_fork(after_in_child=_helpers.cache_clear)
