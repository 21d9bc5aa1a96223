"""What the yardstick says, for a person and for a file."""

import textwrap
from dataclasses import dataclass

import numpy as np

from mim4d.evaluation.formatting import line
from mim4d.study.yardstick.arms import ARM_NAMES, LabelledScenes
from mim4d.study.yardstick.counts import LEVEL, Interval


@dataclass(frozen=True)
class Result:
    """What the yardstick says, IoU of visible vehicles in percent.

    Attributes:
        rates: Learning rate of each arm, chosen on training scenes.
        by_seed: IoU of each arm, by seed.
        iou: Mean over seeds with its interval, by arm.
        above: How far the pre-training is above each other arm, with its interval.
        num_scenes: Held-out scenes.
        labelled: Scenes whose labels were used.
        steps: Optimiser steps of every head.
    """

    rates: dict[str, float]
    by_seed: dict[str, dict[int, float]]
    iou: dict[str, Interval]
    above: dict[str, Interval]
    num_scenes: int
    labelled: LabelledScenes
    steps: int

    def table(self) -> str:
        """For a person."""
        interval = f"{LEVEL:.0%} interval"
        lines = [line("vehicles, IoU in %", ("mean", "± seeds", interval, "gain", interval), 14)]
        lines.append("-" * len(lines[0]))
        for arm, own in self.iou.items():
            values = list(self.by_seed[arm].values())
            spread = f"{np.std(values, ddof=1):.1f}" if len(values) > 1 else "-"
            gain = self.above.get(arm)
            cells: tuple[str, ...] = (f"{own.value:.1f}", spread, _between(own))
            cells += ("", "") if gain is None else (f"{gain.value:+.1f}", _between(gain))
            lines.append(line(ARM_NAMES[arm], cells, 14))
        rates = ", ".join(f"{ARM_NAMES[arm]} {rate:g}" for arm, rate in self.rates.items())
        note = (
            f"{len(self.labelled.names)} labelled scenes, {self.steps} steps, "
            f"{self.num_scenes} held-out scenes, visible vehicles; intervals are of a bootstrap "
            f"over held-out scenes. gain: {ARM_NAMES['pretrained']} minus the row's. Learning "
            f"rates, chosen on labelled scenes: {rates}."
        )
        lines += ["", *textwrap.wrap(note, len(lines[0]))]
        return "\n".join(lines)


def _between(interval: Interval) -> str:
    return f"{interval.lower:.1f} … {interval.upper:.1f}"
