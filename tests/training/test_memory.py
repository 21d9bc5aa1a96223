import subprocess
import sys

import pytest

from mim4d.training.memory import peak_bytes

# In a process of its own: in one that has trained, freed memory may be there to be taken.
_RISES = """
import psutil
from mim4d.training.memory import peak_bytes

now = psutil.Process().memory_info().rss
assert peak_bytes() >= now - 2**22  # the system counts in batches
more = peak_bytes() - now + 2**26
taken = b"x" * more
assert peak_bytes() >= now + more - 2**22
"""


@pytest.mark.slow
def test_the_peak_is_no_less_than_what_is_taken_now_and_rises_with_it() -> None:
    subprocess.run([sys.executable, "-c", _RISES], check=True)


@pytest.mark.slow
def test_a_process_that_was_started_counts_where_it_is_asked_for() -> None:
    mine = peak_bytes()
    subprocess.run([sys.executable, "-c", f"b'x' * {mine + 2**27}"], check=True)
    assert peak_bytes(with_children=True) >= mine + 2**27
    assert peak_bytes() < mine + 2**26
