import subprocess
import sys

import psutil
import torch

from mim4d.training.memory import peak_bytes


def test_the_peak_is_no_less_than_what_is_taken_now_and_rises_with_it() -> None:
    now = psutil.Process().memory_info().rss
    assert peak_bytes() >= now - 2**22  # the system counts in batches
    more = peak_bytes() - now + 2**26
    taken = torch.ones(more // 4)
    assert peak_bytes() >= now + more - 2**22
    assert taken.sum() > 0


def test_a_process_that_was_started_counts_where_it_is_asked_for() -> None:
    mine = peak_bytes()
    subprocess.run([sys.executable, "-c", f"b'x' * {mine + 2**27}"], check=True)
    assert peak_bytes(with_children=True) >= mine + 2**27
    assert peak_bytes() < mine + 2**26
