"""Stops a run in which a loss that compares with measurements is exactly zero step after step.

Such a loss has nothing to compare with: no images, no LiDAR, no labels where they are wanted.
"""

from collections.abc import Mapping, Sequence

from mim4d.errors import NothingToLearnError

STEPS = 100
"""So many steps in a row, or all of a shorter run. One batch may well hold nothing."""


class ZeroLosses:
    """Counts the steps in a row at which each loss was exactly zero.

    Args:
        num_steps: Of the run.
    """

    def __init__(self, num_steps: int) -> None:
        self._most = min(STEPS, num_steps)
        self._zeros: dict[str, int] = {}

    def add(self, outcome: Mapping[str, float], step: int, watched: Sequence[str]) -> None:
        """Count one step.

        Args:
            outcome: Mean losses over all processes, so that all stop together.
            step: Optimiser step.
            watched: Names of the losses that should not stay zero.

        Raises:
            NothingToLearnError: If one of them has stayed zero.
        """
        for name in watched:
            if name in outcome:
                self._zeros[name] = self._zeros.get(name, 0) + 1 if outcome[name] == 0 else 0
        stuck = [name for name, count in self._zeros.items() if count >= self._most]
        if stuck:
            raise NothingToLearnError(
                f"step {step}: exactly zero for {self._most} steps: {', '.join(stuck)}. There is "
                "nothing to compare with: look at the data with `mim4d check`, or set the weights "
                "of these losses to 0"
            )
