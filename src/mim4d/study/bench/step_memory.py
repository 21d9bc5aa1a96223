"""The most memory that each stage of a step holds, from torch's own record of allocations."""

from collections.abc import Callable, Sequence
from typing import Any

from torch.profiler import ProfilerActivity, profile

_ALLOCATION = "[memory]"


def stage_peaks(
    step: Callable[[], object], stages: Sequence[str], on_device: bool = False
) -> dict[str, int]:
    """Run a step and see how much memory torch's tensors take in each of its labelled spans.

    What an allocator holds beyond that, and what stood before the step (weights, the optimiser's
    moments, the batch), is not in it.

    Args:
        step: Runs one step, its stages under `record_function`.
        stages: Names of the spans.
        on_device: Look at the accelerator's memory instead of the host's.

    Returns:
        Bytes at most above what was held before the step, by stage.
    """
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_device
    with profile(activities=activities, profile_memory=True) as profiler:
        step()
    assert profiler.profiler is not None
    results: Any = profiler.profiler.kineto_results
    events = results.events()
    kind = "CUDA" if on_device else "CPU"
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in events
        if event.name() == _ALLOCATION and event.device_type().name == kind
    )
    spans = [
        (event.name(), event.start_ns(), event.start_ns() + event.duration_ns())
        for event in events
        if event.name() in stages and event.device_type().name == "CPU"
    ]
    return peaks_in_spans(changes, spans)


def peaks_in_spans(
    changes: Sequence[tuple[int, int]], spans: Sequence[tuple[str, int, int]]
) -> dict[str, int]:
    """Largest running sum of changes within the spans of each name.

    Args:
        changes: Time and bytes (freed: negative), in the order of time.
        spans: Name, start and end. A span that sees no change holds what was there before it.
    """
    peaks: dict[str, int] = {}
    for name, start, end in spans:
        held, most = 0, None
        for time, size in changes:
            if time >= start and most is None:
                most = held
            if time > end:
                break
            held += size
            if most is not None:
                most = max(most, held)
        peaks[name] = max(peaks.get(name, 0), held if most is None else most)
    return peaks
