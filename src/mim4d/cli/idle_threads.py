"""How long torch's threads wait for one another before they sleep."""

import os

_SPINS = "3000"
"""Rounds of waiting: measured as the fewest that do not slow a step down on an idle machine."""


def spin_briefly() -> None:
    """Let OpenMP's threads sleep soon; for the start of the process, before torch is imported.

    By default GNU's OpenMP, which torch's wheels bring along, keeps a waiting thread at work for
    milliseconds. On an idle machine that costs nothing. Beside another busy program the waiting
    thread takes the core that the awaited one needs, and two trainings on one machine take
    several times as long. Who has set either of OpenMP's own variables knows better.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
