"""What a study will train: single runs, each an ordinary run folder, known by its name.

Nothing is trained or written here. Learning rates are not known beforehand: runs that need one are
made when it has been chosen.
"""

from dataclasses import dataclass
from pathlib import Path

from mim4d.config import PretrainConfig, TaskConfig
from mim4d.study.label_efficiency.arms import Arm, task_config
from mim4d.study.label_efficiency.request import Rung, Study, TaskName
from mim4d.study.label_efficiency.scenes import Scenes


@dataclass(frozen=True)
class Setting:
    """What is compared: one task, learned in one way, with so many labelled scenes.

    Attributes:
        task: What is learned.
        rung: What is trained.
        labelled: How many scenes are labelled.
    """

    task: TaskName
    rung: Rung
    labelled: int


@dataclass(frozen=True)
class PlannedRun:
    """One training.

    Attributes:
        setting: What it is for.
        arm: What it starts from.
        config: All options.
        folder: Of the run.
        scenes: Whose labels it learns from.
        judged_on: Scenes that are measured.
        clips: At most so many clips of these.
        subset_seed: Of the labelled scenes.
        length: How many times the usual steps.
    """

    setting: Setting
    arm: Arm
    config: TaskConfig
    folder: Path
    scenes: tuple[str, ...]
    judged_on: tuple[str, ...]
    clips: int | None
    subset_seed: int
    length: int = 1


@dataclass(frozen=True)
class Plan:
    """Everything that is known beforehand.

    Attributes:
        asked: The study.
        run: Configuration of the pre-training.
        arms: The baseline first.
        scenes: What is labelled and what judges.
        counts: Labelled scenes, rising.
    """

    asked: Study
    run: PretrainConfig
    arms: tuple[Arm, ...]
    scenes: Scenes
    counts: tuple[int, ...]

    @property
    def settings(self) -> list[Setting]:
        """All that is compared."""
        return [
            Setting(task, rung, count)
            for task in self.asked.tasks
            for rung in self.asked.rungs
            for count in self.counts
        ]

    @property
    def longest(self) -> list[Setting]:
        """What the length of trainings is judged by: of each task and rung the most labels."""
        return [setting for setting in self.settings if setting.labelled == self.counts[-1]]

    def clips_of(self, scene: str) -> int:
        """Clips of a scene: one for each of its samples."""
        return next(len(each.positions_m) for each in self.scenes.places if each.name == scene)

    def searched(self, setting: Setting, arm: Arm, rate: float) -> PlannedRun:
        """The run that says how good a learning rate is."""
        subset, seed = self.asked.subset_seeds[0], self.asked.seeds[0]
        labelled = self.scenes.labelled(setting.labelled, subset)
        return self._run(
            setting,
            arm,
            rate,
            subset,
            seed,
            f"search_{rate:.3g}",
            scenes=self.scenes.searching(labelled),
            judged_on=self.scenes.development,
        )

    def compared(self, setting: Setting, arm: Arm, rate: float) -> list[PlannedRun]:
        """The runs of an arm, by subset and training seed."""
        return [
            self._run(setting, arm, rate, subset, seed, f"subset{subset}_seed{seed}")
            for subset in self.asked.subset_seeds
            for seed in self.asked.seeds
        ]

    def doubled(self, setting: Setting, arm: Arm, rate: float) -> list[PlannedRun]:
        """The runs of an arm with the first subset, twice as long."""
        subset = self.asked.subset_seeds[0]
        return [
            self._run(setting, arm, rate, subset, seed, f"double_seed{seed}", length=2)
            for seed in self.asked.seeds
        ]

    def _run(
        self,
        setting: Setting,
        arm: Arm,
        rate: float,
        subset: int,
        seed: int,
        name: str,
        *,
        scenes: tuple[str, ...] | None = None,
        judged_on: tuple[str, ...] | None = None,
        length: int = 1,
    ) -> PlannedRun:
        config = task_config(
            self.run, self.asked, setting.task, arm, setting.rung, rate, seed, length=length
        )
        group = f"{setting.task}_{setting.rung}"
        folder = self.asked.out / "runs" / group / arm.name / f"n{setting.labelled}_{name}"
        return PlannedRun(
            setting,
            arm,
            config,
            folder,
            scenes or self.scenes.labelled(setting.labelled, subset),
            judged_on or self.scenes.held_out,
            self.asked.clips,
            subset,
            length,
        )
