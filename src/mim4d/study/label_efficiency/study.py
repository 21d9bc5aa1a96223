"""A study: the baseline first, then what it is compared with; whatever is there already is kept.

A request enters; what leaves are OUT/runs/TASK_RUNG/ARM/..., OUT/study.json and .md after every
stage, and OUT/study.png and .html.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial

from mim4d.study.label_efficiency.arms import Arm
from mim4d.study.label_efficiency.checks import is_begun, keep_plan, make_plan
from mim4d.study.label_efficiency.cost import estimate
from mim4d.study.label_efficiency.declared import Rates, remarks
from mim4d.study.label_efficiency.depth_only import train_depth_only
from mim4d.study.label_efficiency.measure import (
    QUIET,
    Machine,
    finish,
    read_measured,
    refuse_another_run,
)
from mim4d.study.label_efficiency.plan import Plan, PlannedRun, Setting
from mim4d.study.label_efficiency.request import Study
from mim4d.study.label_efficiency.search import Choice, search
from mim4d.study.label_efficiency.summarise import summarise
from mim4d.study.label_efficiency.summary import Summary
from mim4d.study.label_efficiency.write import write_summary
from mim4d.study.side_by_side import finish_all
from mim4d.training.quiet import at_least
from mim4d.training.train_once import is_finished
from mim4d.viz.canvas import Canvas

logger = logging.getLogger(__name__)


def plan_study(asked: Study) -> str:
    """What a study would train and cost, in words; nothing is trained or written.

    Raises:
        ValueError: For anything wrong with what is asked for.
    """
    with at_least(logging.WARNING, *QUIET):
        plan = make_plan(asked)
        cost = estimate(plan, _machine(asked))
    return "\n".join([*remarks(plan), cost.describe(asked.jobs)])


def study(asked: Study) -> Summary:
    """Train and measure what is missing, and write tables, pictures and page.

    Raises:
        ValueError: For anything wrong with what is asked for, if random weights stay below the
            floor, and at the end if runs broke off because something in them was not finite.
        ImportError: If matplotlib is not installed.
    """
    Canvas(1, 1)  # without matplotlib it should not be found out hours later
    machine = _machine(asked)
    with at_least(logging.WARNING, *QUIET):
        plan = make_plan(asked)
        cost = None if is_begun(plan) else estimate(plan, machine)
    if cost is None:
        logger.info("%s: going on with the study that is there", asked.out)
    else:
        logger.info("%s", cost.describe(asked.jobs))
        keep_plan(plan)
    work = _Work(plan, machine)
    baseline, others = plan.arms[0], plan.arms[1:]
    work.search([baseline])
    work.compare([baseline])
    work.double(baseline)
    summary = write_summary(summarise(plan, work.rates), asked.out)
    _refuse_below_floor(plan, summary)
    _train_control(plan)
    work.search(others)
    work.compare(others)
    summary = write_summary(summarise(plan, work.rates), asked.out, pictures=True)
    if work.failed:
        raise ValueError(
            f"{len(work.failed)} runs failed ({', '.join(work.failed)}); the tables have the others"
        )
    return summary


class _Work:
    """Runs that are finished, and the rates that have been chosen so far."""

    def __init__(self, plan: Plan, machine: Machine) -> None:
        self.plan = plan
        self.machine = machine
        self.rates: Rates = {}
        self.failed: list[str] = []
        self._start = time.perf_counter()

    def search(self, arms: Sequence[Arm]) -> None:
        """Choose the rates of some arms in every setting that they apply to."""
        pairs: dict[tuple[Setting, str], Arm] = {
            (setting, arm.name): arm
            for setting in self.plan.settings
            for arm in arms
            if arm.applies_to(setting.rung)
        }

        def score(wanted: list[tuple[tuple[Setting, str], float]]) -> list[float]:
            runs = [self.plan.searched(key[0], pairs[key], rate) for key, rate in wanted]
            # A rate at which a training broke off is as bad as can be.
            return [0.0 if value is None else value for value in self._finish(runs)]

        found: dict[tuple[Setting, str], Choice] = search(list(pairs), self.plan.asked.rates, score)
        self.rates |= found
        for (setting, name), choice in found.items():
            if choice.note:
                logger.warning(
                    "%s, %s, %d scenes, %s: rate %s",
                    *(setting.task, setting.rung, setting.labelled, name, choice.note),
                )

    def compare(self, arms: Sequence[Arm]) -> None:
        """Train and measure some arms in every setting that they apply to."""
        runs = [
            run
            for setting in self.plan.settings
            for arm in arms
            if arm.applies_to(setting.rung)
            for run in self.plan.compared(setting, arm, self.rates[setting, arm.name].rate)
        ]
        self._note_failed(runs, self._finish(runs))

    def double(self, arm: Arm) -> None:
        """Train an arm twice as long, in every task with the most labels."""
        runs = [
            run
            for setting in self.plan.longest
            for run in self.plan.doubled(setting, arm, self.rates[setting, arm.name].rate)
        ]
        self._note_failed(runs, self._finish(runs))

    def _note_failed(self, runs: Sequence[PlannedRun], scores: Sequence[float | None]) -> None:
        pairs = zip(runs, scores, strict=True)
        self.failed += [str(run.folder) for run, score in pairs if score is None]

    def _finish(self, runs: Sequence[PlannedRun]) -> list[float | None]:
        """Percent of each run; None of one that broke off."""
        for run in runs:
            refuse_another_run(run)
        missing = [run for run in runs if read_measured(run) is None]
        do = partial(finish, machine=self.machine)
        for count, (run, error) in enumerate(finish_all(missing, do, self.plan.asked.jobs), 1):
            shown = f"{_score(run):.1f} %" if error is None else str(error)
            minutes = (time.perf_counter() - self._start) / 60
            name = run.folder.relative_to(self.plan.asked.out / "runs")
            logger.info(
                "[%d/%d of this stage] %s: %s; %.1f min", count, len(missing), name, shown, minutes
            )
        return [_score(run) for run in runs]


def _score(run: PlannedRun) -> float | None:
    measured = read_measured(run)
    return None if measured is None else measured.score


def _machine(asked: Study) -> Machine:
    return Machine(
        asked.data,
        asked.version,
        asked.device,
        asked.out / "volumes",
        # Side by side all cores are busy with steps; loader processes would only be in their way.
        workers=None if asked.jobs == 1 else 0,
    )


def _refuse_below_floor(plan: Plan, summary: Summary) -> None:
    """Where random weights learn next to nothing, a comparison with them says nothing."""
    most = plan.counts[-1]
    for row in summary.rows:
        floor = plan.asked.floor_of(row.task)
        if row.rung == "full" and row.labelled == most and row.score.value < floor:
            raise ValueError(
                f"random weights reach {row.score.value:.1f} % in {row.task} with {most} labelled "
                f"scenes, below the floor of {floor:g} %: no other arm was trained. Give more "
                "labels or --steps, or a lower --floor"
            )


def _train_control(plan: Plan) -> None:
    """The pre-training by depth cross-entropy alone, unless one was given."""
    for arm in plan.arms:
        if arm.name == "depth_only" and plan.asked.depth_only is None and arm.init is not None:
            if not is_finished(arm.init):
                logger.info("depth cross-entropy alone: pre-training %s", arm.init)
            train_depth_only(plan.asked.pretrained, arm.init, plan.asked.device)
