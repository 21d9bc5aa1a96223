"""`mim4d bench cost`: what a run costs by calculation, from operations counted and a rate measured.

    seconds a step = clips a step × operations a clip / (devices × rate of a device × efficiency)

Operations are those of matrix products and convolutions with their backward passes and what
checkpointing computes again. The rate must be one that was achieved in steps of this kind (the
operations of a step over its measured seconds), not the device's peak: look-ups and elementwise
work take their time without counting.
"""

import math
from dataclasses import dataclass

from mim4d.config import PretrainConfig
from mim4d.study.bench.counted_memory import StepCount, count_step


@dataclass(frozen=True)
class RunCost:
    """What a run costs.

    Attributes:
        counted: One forward and backward pass of one process.
        steps: Optimiser steps.
        clips_per_step: Clips of one optimiser step, over micro-steps and devices.
        clips_per_pass: Clips of the counted pass.
        devices: How many compute.
        rate_tflop_s: What one device achieves in such steps.
        efficiency: Share of the devices' sum that is left when they work together.
    """

    counted: StepCount
    steps: int
    clips_per_step: int
    clips_per_pass: int
    devices: int
    rate_tflop_s: float
    efficiency: float

    @property
    def step_tflop(self) -> float:
        """Of one optimiser step."""
        return self.counted.operations * self.clips_per_step / self.clips_per_pass / 1e12

    @property
    def step_s(self) -> float:
        """Seconds of one optimiser step."""
        return self.step_tflop / (self.devices * self.rate_tflop_s * self.efficiency)

    @property
    def device_hours(self) -> float:
        """Of all devices together."""
        return self.step_s * self.steps * self.devices / 3600

    def __str__(self) -> str:
        weights, trained = self.counted.parameters
        hours = self.step_s * self.steps / 3600
        return "\n".join(
            [
                self.counted.what,
                f"weights     {weights / 1e6:.1f} million, {trained / 1e6:.1f} of them trained; "
                f"with gradients and moments {(weights + 3 * trained) * 4 / 1e9:.2f} GB",
                f"operations  {self.step_tflop:.2f} TFLOP a step of {self.clips_per_step} clips",
                f"a step      {self.step_tflop:.2f} TFLOP / ({self.devices} devices × "
                f"{self.rate_tflop_s:g} TFLOP/s × {self.efficiency:g}) = {self.step_s:.2f} s",
                f"the run     {self.steps} steps: {hours:.1f} hours, "
                f"{self.device_hours:.0f} device hours",
            ]
        )


def run_cost(
    config: PretrainConfig, devices: int, rate_tflop_s: float, efficiency: float
) -> RunCost:
    """Count a pass of the preset, and calculate.

    Args:
        config: The preset. Micro-steps are taken as it says.
        devices: How many train together.
        rate_tflop_s: Achieved by one.
        efficiency: Of all together.

    Raises:
        ValueError: If a number makes no sense.
    """
    if devices < 1:
        raise ValueError(f"--devices {devices}: expected at least 1")
    if not 0 < rate_tflop_s < math.inf:
        raise ValueError(f"--rate-tflop-s {rate_tflop_s}: expected more than 0")
    if not 0 < efficiency <= 1:
        raise ValueError(f"--efficiency {efficiency}: expected more than 0, and at most 1")
    optim = config.optim
    return RunCost(
        count_step(config, "accelerator"),
        optim.steps,
        optim.batch_size * optim.accumulate * devices,
        optim.batch_size,
        devices,
        rate_tflop_s,
        efficiency,
    )
