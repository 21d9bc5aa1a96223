"""Memory counted on stand-ins against memory that a step took, and what a step must not ask."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mim4d.config import FlowConfig
from mim4d.study.bench.counted_memory import StepCount, _LiveBytes, count_step
from mim4d.study.bench.parts.scene import made_up_clip
from mim4d.study.bench.step_memory import stage_peaks
from mim4d.training.modules import PretrainingModule
from tests.toy import toy_clip, toy_config, toy_draw, toy_model

TOLERANCE = 0.25
STAGES = ("encode", "lift", "decode", "render", "losses", "backward")
WAITS = ("aten::nonzero", "aten::_local_scalar_dense", "aten::masked_select", "aten::bincount")
"""What must look at values before the program can go on."""


@pytest.fixture(scope="module")
def on_accelerator() -> StepCount:
    config = replace(toy_config(), flow=FlowConfig(enabled=True))
    return count_step(config, "accelerator", cameras=3)


def test_bytes_live_and_die() -> None:
    with _LiveBytes() as live, torch.profiler.record_function("span"):
        first = torch.zeros(1000, device="meta")
        view = first[:10]
        del first
        second = torch.zeros(500, device="meta")
        assert live._held == 6000
        del view
        assert live._held == 2000
        del second
    assert live._held == 0
    assert live.stages == {"span": 6000}


@pytest.mark.slow
def test_a_step_on_an_accelerator_never_looks_at_values(on_accelerator: StepCount) -> None:
    """Stand-ins have none: a `nonzero` or `item` in the step would have raised."""
    assert set(on_accelerator.stages) == set(STAGES)
    assert "toy: 1 clip(s) of 3 frames × 3 cameras at 64×96" in str(on_accelerator)


@pytest.mark.slow
def test_agrees_with_what_a_step_takes() -> None:
    """The tolerance is what is counted too much: lifting takes pairs that no camera sees."""
    config = toy_config()
    counted = count_step(config, "cpu", cameras=3)
    module = PretrainingModule(toy_model(config), config)
    clip = replace(made_up_clip(3, (64, 96), cameras=3), key=1)
    module.step_losses(clip, 0)["loss"].backward()  # the first is slower and keeps more

    def step() -> None:
        module.zero_grad()
        loss = module.step_losses(clip, 0)["loss"]
        with torch.profiler.record_function("backward"):
            loss.backward()

    taken = max(stage_peaks(step, STAGES).values())
    assert max(counted.stages.values()) == pytest.approx(taken, rel=TOLERANCE)


class _Waits(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.name().split(".")[0]
        boolean = name == "aten::index" and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        if name in WAITS or boolean:
            self.counted[name] += 1
        return func(*args, **(kwargs or {}))


def test_drawing_asks_for_one_number_and_that_on_the_cpu() -> None:
    """Which frame is dropped, from the CPU's generator, whatever the device of the clip."""
    model, clip = toy_model(toy_config()), toy_clip(0)
    with _Waits() as waits:
        toy_draw(model, clip)
    assert waits.counted == {"aten::_local_scalar_dense": 1}
