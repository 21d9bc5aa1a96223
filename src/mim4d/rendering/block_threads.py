"""Which samples make a block, and the blocks shared out among threads.

One thread works through one block: the calls inside are too short to be split, and threads that
wait for each other at each of them would burn more time than they save.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

# Samples of a block: what a layer needs should stay in the cache, and each call be long against
# the cost of making it. Flat between 2,000 and 8,000 where measured.
_CPU_BLOCK = 4096

Place = tuple[slice, slice]
Numbered = list[tuple[int, Place]]
Result = TypeVar("Result")


def block_places(points: Float[Tensor, "b r s 3"], chunk_rays: int | None) -> list[Place]:
    """Volumes and rays of each block: several whole volumes, or some rays of one.

    On an accelerator, and where the loop is compiled, everything is one block, but for `chunk_rays`
    (over all volumes).
    """
    volumes, rays, samples = points.shape[:3]
    at_once = volumes * rays if chunk_rays is None else chunk_rays
    if points.device.type == "cpu" and not torch.compiler.is_compiling():
        at_once = min(at_once, _CPU_BLOCK // max(1, samples))
    at_once = max(1, at_once)
    volumes_each = max(1, at_once // max(1, rays))
    parts = -(-rays // at_once)
    rays_each = max(1, -(-rays // max(1, parts)))  # blocks of nearly the same size
    return [
        (slice(first, first + volumes_each), slice(start, start + rays_each))
        for first in range(0, volumes, volumes_each)
        for start in range(0, rays, rays_each)
    ]


def in_threads(
    work: Callable[[Numbered], Result], places: list[Place], points: Tensor
) -> list[Result]:
    """Give every thread the same places each time (so that sums are the same), with their numbers.

    Nothing inside records a graph.
    """
    numbered = list(enumerate(places))
    if points.device.type != "cpu" or torch.compiler.is_compiling():
        return [work(numbered)]
    threads = torch.get_num_threads()
    # Starting threads pays off from some blocks each on; until then torch splits its calls itself.
    if threads == 1 or len(places) < 4 * threads:
        return [work(numbered)]

    def without_graph(part: Numbered) -> Result:
        with torch.no_grad():  # the mode belongs to a thread
            return work(part)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            parts = [numbered[first::threads] for first in range(threads)]
            return list(pool.map(without_graph, parts))
    finally:
        torch.set_num_threads(threads)
