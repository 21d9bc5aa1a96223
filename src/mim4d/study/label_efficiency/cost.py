"""What a study will cost, from a few steps and answers of its own, before anything is trained."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from mim4d.build.data import build_dataset
from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config import TaskConfig
from mim4d.data.splits import SceneChoice
from mim4d.runs.metrics_file import read_metrics
from mim4d.study.label_efficiency.arms import Arm
from mim4d.study.label_efficiency.measure import Machine
from mim4d.study.label_efficiency.plan import Plan, PlannedRun
from mim4d.study.label_efficiency.request import Rung, TaskName
from mim4d.training.devices import choose_accelerator
from mim4d.training.estimate import estimate_cost
from mim4d.training.modules import TaskModule
from mim4d.training.volume_cache import VolumeCache, has_lasting_volumes

_CHECKPOINTS = 2
"""A run keeps so many, each of weights and two moments, and the encoder beside."""


@dataclass(frozen=True)
class Pace:
    """What runs of one task and rung take.

    Attributes:
        step_s: One step, with the reading of its clips.
        answer_s: One clip that is measured.
        volume_s: One volume of a frozen trunk, made the first time; 0 where none is kept.
        volume_bytes: And kept.
        run_bytes: What a run folder takes.
    """

    step_s: float
    answer_s: float
    volume_s: float
    volume_bytes: int
    run_bytes: int


@dataclass(frozen=True)
class Cost:
    """Of a whole study.

    Attributes:
        runs: Trainings, without what grids of rates may grow by.
        searches: Those of them that choose rates.
        seconds: One after the other.
        bytes: On disk.
        by_group: Lines for a person, one for each task and rung.
    """

    runs: int
    searches: int
    seconds: float
    bytes: int
    by_group: tuple[str, ...]

    def describe(self, jobs: int) -> str:
        """In words."""
        beside = f" by {jobs} side by side, if each has a core or a device" if jobs > 1 else ""
        return "\n".join(
            [
                *self.by_group,
                f"in all {self.runs} runs, {self.searches} of them to choose learning rates (more "
                f"where a grid must grow): about {self.seconds / jobs / 60:.0f} min{beside}, "
                f"{self.bytes / 2**30:.1f} GiB of disk",
            ]
        )


def estimate(plan: Plan, machine: Machine) -> Cost:
    """What all of a study takes, whatever of it is there already."""
    runs, searches, seconds, size = 0, 0, 0.0, 0
    lines: list[str] = []
    for task in plan.asked.tasks:
        for rung in plan.asked.rungs:
            part = _of_group(plan, machine, task, rung)
            runs, searches = runs + part.runs, searches + part.searches
            seconds, size, lines = (
                seconds + part.seconds,
                size + part.bytes,
                [*lines, *part.by_group],
            )
    if any(arm.name == "depth_only" for arm in plan.arms) and plan.asked.depth_only is None:
        own_s = float(read_metrics(plan.asked.pretrained)["seconds"].sum())
        runs, seconds = runs + 1, seconds + own_s
        lines.append(f"depth cross-entropy alone: 1 pre-training, {own_s / 60:.0f} min")
    return Cost(runs, searches, seconds, size, tuple(lines))


def _of_group(plan: Plan, machine: Machine, task: TaskName, rung: Rung) -> Cost:
    settings = [s for s in plan.settings if (s.task, s.rung) == (task, rung)]
    arms = [arm for arm in plan.arms if arm.applies_to(rung)]
    searched, compared = [], []
    for setting in settings:
        for arm in arms:
            searched += [plan.searched(setting, arm, rate) for rate in plan.asked.rates]
            compared += plan.compared(setting, arm, 1.0)
    compared += plan.doubled(settings[-1], arms[0], 1.0)
    pace = time_group(searched[0], machine)
    clips = {name: plan.clips_of(name) for name in (*plan.scenes.training, *plan.scenes.held_out)}
    seconds = sum(_seconds(run, pace, clips) for run in (*searched, *compared))
    trunks = _trunks(arms, plan) if pace.volume_bytes else 0
    size = (len(searched) + len(compared)) * pace.run_bytes
    size += trunks * sum(clips.values()) * pace.volume_bytes
    seconds += trunks * sum(clips.values()) * pace.volume_s
    count = len(searched) + len(compared)
    line = (
        f"{task}, {rung}: {count} runs of {searched[0].config.optim.steps} steps "
        f"(one of twice as many for each training seed), {1000 * pace.step_s:.0f} ms a step, "
        f"{1000 * pace.answer_s:.0f} ms an answer: {seconds / 60:.0f} min"
    )
    return Cost(count, len(searched), seconds, size, (line,))


def _seconds(run: PlannedRun, pace: Pace, clips: dict[str, int]) -> float:
    answers = sum(clips[name] for name in run.judged_on)
    if run.clips is not None:
        answers = min(answers, run.clips)
    return run.config.optim.steps * pace.step_s + answers * pace.answer_s


def _trunks(arms: list[Arm], plan: Plan) -> int:
    """Frozen trunks that differ: random weights are others with every seed."""
    return sum(len(plan.asked.seeds) if arm.trunk_by_seed else 1 for arm in arms)


def time_group(run: PlannedRun, machine: Machine) -> Pace:
    """Time a step and an answer of a run that does not exist, on its first clip."""
    accelerator = choose_accelerator(machine.device)
    config: TaskConfig = without_weights_file(run.config)
    dataset = build_dataset(
        config, machine.data, SceneChoice(names=run.scenes[:1]), machine.version
    )
    task, model = build_task(config)
    with tempfile.TemporaryDirectory() as folder:
        cache = None
        if has_lasting_volumes(run.config):
            cache = VolumeCache(Path(folder), config, machine.data, machine.version)
        module = TaskModule(model, task, config, cache=cache)
        paid, clip = estimate_cost(module, dataset, accelerator)
        model.to(accelerator).eval()
        clip = clip.to(accelerator)
        with torch.no_grad():
            start = time.perf_counter()
            volume = model.look(clip).volume
            volume_s = time.perf_counter() - start
            headed = time.perf_counter()
            metric = task.build_metric().to(accelerator)
            metric.update(task.decode(model.head(volume)), task.targets(clip))
            head_s = time.perf_counter() - headed
    load_s = paid.load.load_s / config.optim.batch_size
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    kept = cache is not None
    return Pace(
        step_s=paid.step_s + paid.load.load_s,
        answer_s=load_s + head_s + (0 if kept else volume_s),
        volume_s=volume_s if kept else 0.0,
        volume_bytes=volume.numel() * volume.element_size() if kept else 0,
        run_bytes=_CHECKPOINTS * (weights + 2 * trained) + weights,
    )
