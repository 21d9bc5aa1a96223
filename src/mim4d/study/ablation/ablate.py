"""An ablation: every row with every seed, trained and measured, whatever is there already kept.

A plan enters; what leaves are OUT/runs/ROW_sSEED, OUT/ablation.json and .md, which are written anew
after every run, and OUT/ablation.png at the end.
"""

import logging
import time
from functools import partial
from pathlib import Path

from mim4d.files import write_text
from mim4d.progress import duration
from mim4d.runs.record import read_record
from mim4d.study.ablation.downstream import refuse_unlabelled
from mim4d.study.ablation.facts import gather_facts
from mim4d.study.ablation.markdown import markdown
from mim4d.study.ablation.measure import (
    MEASURES,
    Measuring,
    Numbers,
    measure_run,
    numbers_of,
    read_measured,
)
from mim4d.study.ablation.over_seeds import Summary, summarise_rows
from mim4d.study.ablation.picture import draw_ablation
from mim4d.study.ablation.plan import Plan, PlannedRun, make_plan
from mim4d.study.ablation.request import Ablation
from mim4d.study.side_by_side import finish_all
from mim4d.training.train_once import is_finished, refuse_another_run, train_unless_finished
from mim4d.viz.canvas import Canvas

logger = logging.getLogger(__name__)


def ablate(asked: Ablation) -> Summary:
    """Train and measure what is missing, and write table and picture.

    Raises:
        ValueError: For anything wrong with the data, the rows or the folder, and at the end if runs
            broke off because something in them was not finite.
        ImportError: If matplotlib is not installed.
    """
    Canvas(1, 1)  # without matplotlib it should not be found out hours later
    plan = make_plan(asked)
    how = Measuring(
        asked.data,
        plan.targets.tokens,
        asked.stride,
        asked.version,
        asked.device,
        asked.downstream,
        _workers(asked),
    )
    for run in plan.runs:
        refuse_another_run(run.config, run.folder)
        _refuse_other_data(run.folder, asked.data)
    wanted = [r for r in plan.runs if read_measured(r.folder, how) is None]
    if asked.only_table:
        wanted = [run for run in wanted if is_finished(run.folder)]
    if asked.downstream and wanted:
        refuse_unlabelled(asked.config, asked.data, asked.downstream, asked.version)
    _announce(asked, plan, len(wanted))
    failed = []
    clock = _Clock(len(wanted))
    finish = partial(_finish, asked=asked, how=how, progress=asked.jobs == 1)
    for run, error in finish_all(wanted, finish, asked.jobs):
        if error is None:
            logger.info("%s", clock.line(run, numbers_of(measure_run(run.folder, how))))
            write_table(asked, plan, how)
        else:
            failed.append(run.folder.name)
            logger.error("%s: %s", run.folder.name, error)
    summary = write_table(asked, plan, how)
    draw_ablation(summary, asked.out / "ablation.png")
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(wanted)} runs failed ({', '.join(failed)}); the table has "
            "the others; each error says what to do"
        )
    return summary


def write_table(asked: Ablation, plan: Plan, how: Measuring) -> Summary:
    """Compare what is measured so far, and write OUT/ablation.json and OUT/ablation.md."""
    contents = {
        run: content for run in plan.runs if (content := read_measured(run.folder, how)) is not None
    }
    numbers = {(run.row, run.seed): numbers_of(content) for run, content in contents.items()}
    facts = gather_facts(asked, plan, {run.folder: found for run, found in contents.items()})
    summary = Summary(summarise_rows(plan.rows, numbers), facts)
    summary.save(asked.out / "ablation.json")
    write_text(asked.out / "ablation.md", markdown(summary))
    return summary


def _refuse_other_data(run: Path, data: Path) -> None:
    """Refuse a run, finished or not, that was trained on another data set."""
    if (run / "config.json").is_file():
        there, here = read_record(run)["data"], str(data.resolve())
        if there != here:
            raise ValueError(
                f"{run}: was trained on {there}, not on {here}; choose another --out, or remove "
                f"{run}"
            )


def _announce(asked: Ablation, plan: Plan, num_missing: int) -> None:
    """Say what will be done, and what will not."""
    logger.info(
        "%d rows, %d runs of %d steps, %d of them to be trained or measured; measured on %d "
        "held-out frames of %d that all rows can rebuild",
        len(plan.rows),
        len(plan.runs),
        asked.config.optim.steps,
        num_missing,
        len(plan.targets.tokens),
        plan.targets.num_common,
    )
    for name, why in plan.left_out.items():
        logger.info("left out: %s (%s)", name, why)


def _workers(asked: Ablation) -> int | None:
    """Side by side all cores are busy with steps; loader processes would only be in their way."""
    return None if asked.jobs == 1 else 0


def _finish(run: PlannedRun, asked: Ablation, how: Measuring, progress: bool) -> None:
    """Train what is missing of a run, and measure it."""
    train_unless_finished(
        run.config,
        asked.data,
        run.folder,
        version=asked.version,
        device=asked.device,
        workers=_workers(asked),
        progress=progress,
    )
    measure_run(run.folder, how)


class _Clock:
    """Says how far an ablation is and how long the rest may take."""

    def __init__(self, num_runs: int) -> None:
        self._start = time.perf_counter()
        self._num_runs = num_runs
        self._done = 0

    def line(self, run: PlannedRun, numbers: Numbers) -> str:
        """The line of one more run that is done."""
        self._done += 1
        elapsed = time.perf_counter() - self._start
        left = elapsed / self._done * (self._num_runs - self._done)
        shown = (
            f"{measure.heading} {value:.{measure.digits}f}"
            for measure in MEASURES
            if (value := numbers[measure.name]) is not None
        )
        return (
            f"[{self._done}/{self._num_runs}] {run.folder.name}: {', '.join(shown)}; "
            f"{duration(elapsed)} so far, about {duration(left)} left"
        )
