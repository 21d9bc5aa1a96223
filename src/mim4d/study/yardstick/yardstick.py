"""The yardstick: every arm's rate searched alike, trained with every seed, measured, compared.

A finished pre-training and a data set with labels and held-out scenes enter; what leaves are
OUT/runs (whatever is there already is kept), OUT/yardstick.json and the table.
"""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from mim4d.build.data import build_dataset
from mim4d.config import Device, PretrainConfig
from mim4d.data.splits import SceneChoice
from mim4d.files import write_text
from mim4d.runs.loading import encoder_file
from mim4d.runs.record import config_differences, read_config, read_task_config
from mim4d.study.bench.step import bench_step
from mim4d.study.yardstick.arms import (
    ARM_NAMES,
    ARMS,
    Arm,
    LabelledScenes,
    depth_only,
    labelled_scenes,
    task_config,
)
from mim4d.study.yardstick.counts import Counts, count_cells, intervals, total_iou
from mim4d.study.yardstick.result import Result
from mim4d.training.finetune import finetune
from mim4d.training.train_once import is_finished, train_unless_finished

logger = logging.getLogger(__name__)
_HELD_OUT = SceneChoice("val")
_TIMED_STEPS = 5


@dataclass(frozen=True)
class Yardstick:
    """What is asked for.

    Attributes:
        run: The finished pre-training.
        data: Data set with labels and held-out scenes.
        out: Folder for everything.
        depth_only: A pre-training by depth cross-entropy alone; None trains one.
        arms: What is compared.
        scenes: Labelled scenes.
        steps: Optimiser steps of every head; None takes the task preset's.
        rates: Learning rates that are tried.
        seeds: Of every arm.
        clips: At most so many held-out clips.
        version: Version folder of the data set.
        device: Where to compute.
    """

    run: Path
    data: Path
    out: Path
    depth_only: Path | None = None
    arms: tuple[Arm, ...] = ARMS
    scenes: int = 6
    steps: int | None = None
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    seeds: tuple[int, ...] = (0, 1, 2)
    clips: int | None = None
    version: str | None = None
    device: Device = "auto"

    def __post_init__(self) -> None:
        for name in ("arms", "rates", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"--{name} {' '.join(map(str, values))}: expected different ones")
        if any(rate <= 0 for rate in self.rates):
            raise ValueError(f"--rates {' '.join(map(str, self.rates))}: expected positive numbers")


def measure(asked: Yardstick) -> Result:
    """Train and measure what is missing, and compare.

    Raises:
        ValueError: For anything wrong with the run, the data or the folder.
    """
    config = read_config(asked.run)
    starts = _starts(asked, config)
    dataset = build_dataset(config, asked.data, "train", asked.version)
    names = sorted({dataset.scene_name(i) for i in range(len(dataset))})
    labelled = labelled_scenes(names, asked.scenes)
    rates: dict[str, float] = {}
    counts: dict[str, list[Counts]] = {}
    for arm, init in starts.items():
        rates[arm] = _search(asked, config, arm, init, labelled)
        counts[arm] = [
            _head(asked, config, f"{arm}_s{s}", init, labelled.names, rates[arm], s, _HELD_OUT)
            for s in asked.seeds
        ]
        shown = ", ".join(f"{total_iou(each):.1f}" for each in counts[arm])
        logger.info("%s, rate %g: IoU %s", ARM_NAMES[arm], rates[arm], shown)
    reference = "pretrained" if "pretrained" in counts else next(iter(counts))
    own, above = intervals(counts, reference)
    result = Result(
        rates=rates,
        by_seed={
            arm: {seed: total_iou(c) for seed, c in zip(asked.seeds, each, strict=True)}
            for arm, each in counts.items()
        },
        iou=own,
        above=above,
        num_scenes=len(next(iter(counts.values()))[0]),
        labelled=labelled,
        steps=task_config(config, asked.steps, 1.0, 0).optim.steps,
    )
    content = {**asdict(result), "counts": counts}
    write_text(asked.out / "yardstick.json", json.dumps(content, indent=2) + "\n")
    return result


def _starts(asked: Yardstick, config: PretrainConfig) -> dict[Arm, Path | None]:
    """What the trunk of every arm starts from."""
    encoder_file(asked.run)  # refuses a run that is not finished
    starts: dict[Arm, Path | None] = {}
    for arm in asked.arms:
        match arm:
            case "pretrained":
                starts[arm] = asked.run
            case "random":
                starts[arm] = None
            case "depth_only":
                starts[arm] = asked.depth_only or _train_depth_only(asked, config)
    return starts


def _train_depth_only(asked: Yardstick, config: PretrainConfig) -> Path:
    """A pre-training by depth cross-entropy alone in the same time as the run's own steps."""
    run = asked.out / "depth_only"
    if (run / "config.json").is_file():
        wanted = depth_only(config, read_config(run).optim.steps)
    else:
        timed = (config, depth_only(config, config.optim.steps))
        where = (asked.version, asked.device)
        own_s, cheap_s = (
            bench_step(each, asked.data, _TIMED_STEPS, *where, stages=False).step_s
            for each in timed
        )
        steps = round(config.optim.steps * own_s / cheap_s)
        logger.info(
            "a step takes %.0f ms, by depth cross-entropy alone %.0f ms: %d of them for %d",
            *(1000 * own_s, 1000 * cheap_s, steps, config.optim.steps),
        )
        wanted = depth_only(config, steps)
    train_unless_finished(wanted, asked.data, run, version=asked.version, device=asked.device)
    return run


def _search(
    asked: Yardstick, config: PretrainConfig, arm: Arm, init: Path | None, labelled: LabelledScenes
) -> float:
    """The rate that is best on labelled scenes which the heads were not trained on."""
    if len(asked.rates) == 1:
        return asked.rates[0]
    judging = SceneChoice(names=labelled.judging)
    found = {
        rate: total_iou(
            _head(
                asked,
                config,
                f"search_{arm}_{rate:g}",
                init,
                labelled.searching,
                rate,
                asked.seeds[0],
                judging,
            )
        )
        for rate in asked.rates
    }
    return max(found, key=lambda rate: found[rate])


def _head(
    asked: Yardstick,
    config: PretrainConfig,
    name: str,
    init: Path | None,
    scenes: tuple[str, ...],
    rate: float,
    seed: int,
    judged_on: SceneChoice,
) -> Counts:
    """Train a head, unless it is there, and count its cells."""
    run, wanted = asked.out / "runs" / name, task_config(config, asked.steps, rate, seed)
    if is_finished(run):
        if differences := config_differences(read_task_config(run), wanted):
            raise ValueError(
                f"{run}: holds a run of another configuration (there / here): "
                f"{', '.join(differences)}; choose another --out, or remove {run}"
            )
    else:
        finetune(
            wanted,
            asked.data,
            run,
            init=init,
            version=asked.version,
            resume=(run / "config.json").is_file(),
            scenes=SceneChoice(names=scenes),
            device=asked.device,
            progress=False,
        )
    clips = asked.clips if judged_on == _HELD_OUT else None
    return count_cells(run, asked.data, judged_on, clips, asked.version, asked.device)
