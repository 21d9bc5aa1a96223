"""From runs to what a study says: scores with intervals, paired gains, labels saved.

A plan and the rates that were chosen enter; runs that are not finished are left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from mim4d.study.label_efficiency.arms import Arm
from mim4d.study.label_efficiency.bootstrap import Drawn, Interval, Key, draw, score_draws
from mim4d.study.label_efficiency.declared import Rates, facts, warnings
from mim4d.study.label_efficiency.labels_saved import LabelsSaved, labels_saved
from mim4d.study.label_efficiency.measure import Measured, read_measured
from mim4d.study.label_efficiency.plan import Plan, PlannedRun, Setting
from mim4d.study.label_efficiency.request import BASELINE, CEILING
from mim4d.study.label_efficiency.summary import DoubleLength, Purpose, Row, SingleRun, Summary

Runs = dict[Key, Measured]


def summarise(plan: Plan, rates: Rates) -> Summary:
    """Everything that is there so far.

    Args:
        plan: Of the study.
        rates: That were chosen, by setting and name of the arm.
    """
    measured = {
        (setting, arm.name): runs
        for setting in plan.settings
        for arm in plan.arms
        if (choice := rates.get((setting, arm.name))) is not None
        and (runs := _runs_of(plan, setting, arm, choice.rate))
    }
    rows: list[Row] = []
    curves: dict[tuple[str, str], dict[int, float]] = {}
    for setting in plan.settings:
        own = [
            (arm, measured[setting, arm.name])
            for arm in plan.arms
            if (setting, arm.name) in measured
        ]
        found = _rows(setting, own, rates)
        for row in found:
            if row.arm == BASELINE:
                curves.setdefault((row.task, row.rung), {})[row.labelled] = row.score.value
        rows += found
    rows = [_with_saved(row, curves.get((row.task, row.rung), {})) for row in rows]
    doubled = _doubled(plan, rates)
    singles = _singles(plan, rates)
    return Summary(
        tuple(rows),
        tuple(doubled),
        tuple(singles),
        facts(plan, singles),
        tuple(warnings(plan, rates, doubled)),
    )


def _runs_of(plan: Plan, setting: Setting, arm: Arm, rate: float) -> Runs:
    """All runs of an arm; none unless each of them is finished."""
    found: Runs = {}
    for run in plan.compared(setting, arm, rate):
        measured = read_measured(run)
        if measured is None:
            return {}
        found[run.subset_seed, run.config.seed] = measured
    return found


def _rows(setting: Setting, arms: list[tuple[Arm, Runs]], rates: Rates) -> list[Row]:
    """The arms of one setting, compared by the same draws."""
    if not arms:
        return []
    first = arms[0][1]
    draws = draw({key: each.evidence for key, each in first.items()})
    drawn: dict[str, Drawn] = {
        arm.name: score_draws({key: each.evidence for key, each in runs.items()}, draws)
        for arm, runs in arms
    }
    rows = []
    for arm, runs in arms:
        own = drawn[arm.name]
        score = own.interval()
        assert score is not None, "every score is there everywhere"
        gains = {name: own.gain(other) for name, other in drawn.items() if name != arm.name}
        rows.append(
            Row(
                setting.task,
                setting.rung,
                setting.labelled,
                arm.name,
                arm.title,
                score,
                own.interval("within 16 m"),
                own.interval("beyond"),
                own.spread_of_seeds,
                own.spread_of_subsets,
                gains,
                _gap_closed(arm, drawn),
                None,
                rates[setting, arm.name],
                fmean(run.seconds for run in runs.values()),
                max(run.peak_bytes for run in runs.values()),
            )
        )
    return rows


def _gap_closed(arm: Arm, drawn: Mapping[str, Drawn]) -> Interval | None:
    if arm.name in (BASELINE, CEILING) or not {BASELINE, CEILING} <= drawn.keys():
        return None
    return drawn[arm.name].share_of_gap(drawn[BASELINE], drawn[CEILING])


def _with_saved(row: Row, curve: Mapping[int, float]) -> Row:
    saved: LabelsSaved | None = None
    if row.arm != BASELINE and curve:
        counts = sorted(curve)
        saved = labels_saved(row.labelled, row.score.value, counts, [curve[n] for n in counts])
    return replace(row, saved=saved)


def _doubled(plan: Plan, rates: Rates) -> list[DoubleLength]:
    baseline, found = plan.arms[0], []
    for setting in plan.longest:
        choice = rates.get((setting, baseline.name))
        if choice is None:
            continue
        longer = [read_measured(run) for run in plan.doubled(setting, baseline, choice.rate)]
        subset = plan.asked.subset_seeds[0]
        usual = [
            read_measured(run)
            for run in plan.compared(setting, baseline, choice.rate)
            if run.subset_seed == subset
        ]
        scores = [_scores(each) for each in (usual, longer)]
        if scores[0] is not None and scores[1] is not None:
            found.append(
                DoubleLength(setting.task, setting.rung, setting.labelled, scores[0], scores[1])
            )
    return found


def _scores(runs: list[Measured | None]) -> float | None:
    known = [run.score for run in runs if run is not None]
    return fmean(known) if len(known) == len(runs) else None


def _singles(plan: Plan, rates: Rates) -> list[SingleRun]:
    runs: list[tuple[Purpose, PlannedRun]] = []
    for setting in plan.settings:
        for arm in plan.arms:
            choice = rates.get((setting, arm.name))
            if choice is not None:
                tried = [plan.searched(setting, arm, rate) for rate in choice.scores]
                runs += [("rate", run) for run in tried]
                runs += [("compared", run) for run in plan.compared(setting, arm, choice.rate)]
                if arm.name == BASELINE and setting in plan.longest:
                    longer = plan.doubled(setting, arm, choice.rate)
                    runs += [("double length", run) for run in longer]
    found = []
    for purpose, run in runs:
        measured = read_measured(run)
        if measured is not None:
            found.append(
                SingleRun(
                    str(run.folder.relative_to(plan.asked.out)),
                    purpose,
                    run.arm.name,
                    run.setting.labelled,
                    run.subset_seed,
                    run.config.seed,
                    run.config.optim.lr,
                    run.config.optim.steps,
                    measured.score,
                    measured.seconds,
                )
            )
    return found
