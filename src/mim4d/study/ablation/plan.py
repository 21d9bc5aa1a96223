"""What an ablation will do: which rows apply, which runs they make, which frames are measured.

A preset and what is asked for enter; nothing is trained or written here.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from mim4d.config import PretrainConfig
from mim4d.study.ablation.common_frames import Targets, common_targets
from mim4d.study.ablation.request import Ablation
from mim4d.study.ablation.rows import AblationRow, apply_rows, choose_rows


@dataclass(frozen=True)
class PlannedRun:
    """One row with one seed.

    Attributes:
        row: Its name.
        config: With the seed in it.
        folder: Of the run.
    """

    row: str
    config: PretrainConfig
    folder: Path

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config.seed


@dataclass(frozen=True)
class Plan:
    """Everything that an ablation will do.

    Attributes:
        rows: That apply, in the order of the table.
        runs: In the order in which they are done: every row once, then again with another seed.
        targets: The frames that are measured.
        left_out: Why rows are left out, by name.
    """

    rows: list[AblationRow]
    runs: list[PlannedRun]
    targets: Targets
    left_out: dict[str, str]


def make_plan(asked: Ablation) -> Plan:
    """Rows that apply to preset and data, and the runs they make.

    The frames that are measured do not depend on the choice of rows: a part of an ablation can be
    done first.

    Raises:
        ValueError: If a row is unknown, or the data are wrong.
    """
    chosen = choose_rows(asked.rows)
    configs, left_out = apply_rows(choose_rows(), asked.config)
    targets = common_targets(configs, asked.data, asked.version, asked.clips)
    left_out |= targets.left_out
    rows = [row for row in chosen if row.name not in left_out]
    seeds = dict.fromkeys((*asked.seeds, *asked.headline_seeds))
    runs = [
        PlannedRun(
            row.name,
            replace(configs[row.name], seed=seed),
            asked.out / "runs" / f"{row.name}_s{seed}",
        )
        for seed in seeds
        for row in rows
        if seed in (asked.headline_seeds if row.headline else asked.seeds)
    ]
    names = {row.name for row in chosen}
    return Plan(rows, runs, targets, {n: why for n, why in left_out.items() if n in names})
