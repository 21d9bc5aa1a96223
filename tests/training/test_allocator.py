"""Freed memory stays with the process; measured in others, since the allocator's settings stay."""

import platform
import subprocess
import sys

import pytest

# Takes and frees 64 MiB, five times, and prints how many pages of 4 KiB the kernel gave for it. The
# allocator needs some rounds before freed pieces have grown together.
_PAGES = """
import resource, sys
import torch
from mim4d.training.allocator import keep_freed_memory

def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    assert keep_freed_memory()
    assert keep_freed_memory()
for _ in range(30):
    torch.ones(2**24)
before = page_faults()
for _ in range(5):
    torch.ones(2**24)
print(page_faults() - before)
"""


def _page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _PAGES, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc's allocator")
@pytest.mark.slow
def test_large_blocks_are_not_given_back() -> None:
    kept, given_back = _page_faults("keep"), _page_faults("default")
    # Huge pages, where the kernel has them, make fewer faults of as many bytes.
    assert given_back > 500
    assert kept < 0.1 * given_back


def test_other_allocators_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from mim4d.training import allocator as memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert memory.keep_freed_memory() is False
