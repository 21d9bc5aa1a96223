"""`mim4d study`: what a pre-training is worth with few labels."""

import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from mim4d.cli import at_once
from mim4d.config import Device
from mim4d.study.label_efficiency import request
from mim4d.study.label_efficiency.request import ArmName, Rung, TaskName


@dataclass(frozen=True, kw_only=True)
class Study:
    """Measure what a pre-training is worth on your data, for tasks learned from few labels.

    Every arm chooses its own learning rate on training scenes; held-out scenes are used once, at
    the end. The same command continues after a stop. docs/study.md explains the protocol.
    """

    data: Path
    """Data set with labels and held-out scenes."""
    pretrained: Path
    """Run folder of the finished pre-training."""
    out: Path
    """Folder for runs, tables, picture and page."""
    tasks: tuple[TaskName, ...] = request.Study.tasks
    """What is learned from labels; vehicles is BEV segmentation of vehicles alone."""
    arms: tuple[ArmName, ...] = request.Study.arms
    """Starts to compare: random weights; imagenet (Lite0, extra `lite0`); weights (the file of
    --weights); the pre-training, or parts of it. depth_only: the same pre-training with LiDAR's
    depth loss alone. random_lidar: random weights, with that loss while the task is trained.
    exact_depth: the ceiling, random weights lifting by the true depth (LiDAR's where the data set
    has no exact one)."""
    rungs: tuple[Rung, ...] = request.Study.rungs
    """What learns: the head on a frozen trunk (minutes), or everything."""
    labels: tuple[str, ...] = request.Study.labels
    """Labelled training scenes: a number, or a share of them."""
    subset_seeds: tuple[int, ...] = request.Study.subset_seeds
    """Seeds that choose which scenes are labelled."""
    seeds: tuple[int, ...] = request.Study.seeds
    """Training seeds."""
    rates: tuple[float, ...] = request.Study.rates
    """Learning rates to try first; more are tried while the best is the smallest or the largest."""
    steps: int | None = request.Study.steps
    """Optimiser steps of every training; by default the task preset's."""
    split: str = request.Study.split
    """`official` (the data set's train and val), `geo` (by place), a folder that `mim4d split`
    wrote, or a JSON file with train and val."""
    gap_m: float = request.Study.gap_m
    """Least distance between the parts of --split geo, metres."""
    weights: Path | None = request.Study.weights
    """Weights of the pre-training's timm model, for the arm `weights`."""
    depth_only: Path | None = request.Study.depth_only
    """A finished run of the depth-only control; by default it is trained."""
    join: Literal["key", "decoder"] = request.Study.join
    """Input of a head: the key frame's volume, or with it the same frame as the temporal decoder
    rebuilds it from the other frames."""
    floor: float | None = request.Study.floor
    """Percent that random weights must reach with the most labels, everything learning, before
    another arm is trained; by default 5 in detection, else 1."""
    clips: int | None = request.Study.clips
    """At most so many held-out clips, spread over the scenes."""
    jobs: int = request.Study.jobs
    """Runs side by side, each on its share of the cores, or on a CUDA device in turn."""
    plan: bool = False
    """Check everything, say what would be trained and what it costs, and stop."""
    quick: bool = request.Study.quick
    """Only to see that everything runs: four steps, one seed, few clips, no floor."""
    version: str | None = request.Study.version
    """Version folder, where there are several."""
    device: Device = request.Study.device
    """Where to compute."""

    def check(self) -> None:
        """What is known at once."""
        _asked(self)
        at_once.at_least(0, seeds=self.seeds, subset_seeds=self.subset_seeds)
        at_once.data_set(self.data, self.version)
        at_once.run_folder(self.pretrained, "pretraining", finished=True)
        at_once.existing(self.weights, "--weights")
        if self.depth_only is not None:
            at_once.run_folder(self.depth_only, "pretraining", finished=True)
        request.refuse_missing_lists(self.split)
        at_once.output_folder(self.out, "--out")
        at_once.device(self.device)
        if not self.plan:
            at_once.drawing("the picture of a study")


def _asked(options: Study) -> request.Study:
    given = {
        field.name: getattr(options, field.name)
        for field in fields(request.Study)
        if field.name != "command"
    }
    asked = request.Study(**given, command=shlex.join(["mim4d", *sys.argv[1:]]))
    return request.quick(asked) if options.quick else asked


def study(options: Study) -> None:
    """`mim4d study`."""
    from mim4d.study.label_efficiency.markdown import for_terminal
    from mim4d.study.label_efficiency.study import plan_study
    from mim4d.study.label_efficiency.study import study as run_study

    asked = _asked(options)
    if options.plan:
        print(plan_study(asked))
        return
    print(for_terminal(run_study(asked)))
    print(options.out / "study.html")
