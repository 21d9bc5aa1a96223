"""One side of a comparison: builds a part, and runs it whenever it is told to.

Commands come as lines of JSON on standard input, answers leave as lines of JSON on what standard
output was; whatever the library prints goes to standard error.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import psutil
import torch

from mim4d.study.bench.operations import operation_counter

from .case import Case
from .cases import build_case
from .parameters import Parameters

Answer = dict[str, Any]


def serve(commands: TextIO, answers: TextIO) -> None:
    """Obey until the commands end."""
    case: Case | None = None
    before_bytes = 0
    for line in commands:
        command = json.loads(line)
        match command["do"]:
            case "build":
                parameters = Parameters(**command["parameters"])
                torch.set_num_threads(parameters.threads)
                case = build_case(parameters, command["twin"])
                _exchange_weights(case, command)
                _give_back_freed()
                before_bytes = psutil.Process().memory_info().rss
                import mim4d

                answer: Answer = {"library": str(Path(mim4d.__file__).parent)}
            case "run":
                assert case is not None
                answer = _run(case, command["backward"], before_bytes)
            case "flops":
                assert case is not None
                with operation_counter() as counter:
                    _ = case.run(True) if command["backward"] else case.forward_with_graph()
                answer = {"flops": counter.get_total_flops()}
            case "numbers":
                assert case is not None
                answer = _numbers(case, Path(command["path"]), command["compare"])
            case other:
                raise ValueError(f"unknown command {other!r}")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _exchange_weights(case: Case, command: dict[str, Any]) -> None:
    """Take the weights of the side that was built first; both sides do the same work for it."""
    path = Path(command["weights"])
    own = path if command["save"] else path.with_suffix(".unused")
    torch.save(case.module.state_dict(), own)
    case.module.load_state_dict(torch.load(path, weights_only=True))


def _give_back_freed() -> None:
    """Let the C library return freed blocks, so that only what is in use stands (glibc)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _run(case: Case, backward: bool, before_bytes: int) -> Answer:
    gc.collect()
    _forget_peak()
    start = (time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF))
    outputs = case.run(backward)
    end = (time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF))
    del outputs
    user = end[1].ru_utime - start[1].ru_utime
    system = end[1].ru_stime - start[1].ru_stime
    peak = _peak_bytes()
    return {
        "cpu_s": user + system,
        "system_s": system,
        "wall_s": end[0] - start[0],
        "page_faults": end[1].ru_minflt - start[1].ru_minflt,
        "peak_bytes": peak,
        "added_bytes": max(0, peak - before_bytes),
    }


def _forget_peak() -> None:
    """Let the process's peak memory start anew (Linux; elsewhere it is that of its whole life)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_bytes() -> int:
    """Largest resident memory since `_forget_peak`."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _numbers(case: Case, path: Path, compare: bool) -> Answer:
    """Keep outputs and gradients, or compare with those that were kept."""
    numbers = case.numbers()
    if not compare:
        torch.save(numbers, path)
        return {}
    kept = torch.load(path, weights_only=True)
    missing = sorted(set(kept) ^ set(numbers))
    if missing:
        raise ValueError(f"only one side has a gradient of {', '.join(missing[:5])}")
    # A gradient that is nothing but rounding (a bias before a norm) is measured by the others.
    scale = {False: 0.0, True: 0.0}
    for name, value in kept.items():
        of_output = name.startswith("output")
        scale[of_output] = max(scale[of_output], _size(value))
    errors = {
        name: _size(numbers[name].double() - value.double())
        / max(_size(value), 1e-4 * scale[name.startswith("output")], 1e-30)
        for name, value in kept.items()
    }
    outputs = [error for name, error in errors.items() if name.startswith("output")]
    gradients = {name: e for name, e in errors.items() if not name.startswith("output")}
    worst = max(gradients, key=lambda name: gradients[name]) if gradients else ""
    return {
        "output_error": max(outputs),
        "gradient_error": max(gradients.values(), default=0.0),
        "worst_gradient": worst,
    }


def _size(value: torch.Tensor) -> float:
    return float(value.double().square().mean().sqrt())


if __name__ == "__main__":
    real_output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, real_output)
