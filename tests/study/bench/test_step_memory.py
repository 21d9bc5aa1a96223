"""Memory by stage: a step whose allocations are known."""

import torch
from torch.profiler import record_function

from mim4d.study.bench.step_memory import peaks_in_spans, stage_peaks

MEGABYTE = 2**20


def test_running_sums_within_spans() -> None:
    changes = [(1, 100), (3, 50), (4, -50), (6, 10), (9, -110)]
    spans = [("first", 2, 5), ("second", 5, 7), ("quiet", 7, 8), ("last", 10, 11), ("first", 9, 9)]
    assert peaks_in_spans(changes, spans) == {"first": 150, "second": 110, "quiet": 110, "last": 0}


def test_a_step_with_known_allocations() -> None:
    kept = []

    def step() -> None:
        with record_function("keeps"):
            kept.append(torch.zeros(4 * MEGABYTE, dtype=torch.uint8))
        with record_function("borrows"):
            torch.zeros(16 * MEGABYTE, dtype=torch.uint8)
        with record_function("rests"):
            kept.append(torch.zeros(1, dtype=torch.uint8))

    peaks = stage_peaks(step, ("keeps", "borrows", "rests"))
    assert 4 * MEGABYTE <= peaks["keeps"] < 5 * MEGABYTE
    assert 20 * MEGABYTE <= peaks["borrows"] < 21 * MEGABYTE
    assert 4 * MEGABYTE <= peaks["rests"] < 5 * MEGABYTE
