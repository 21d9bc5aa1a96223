"""The demo of tasks: what the demo's pre-training brings to BEV segmentation with few labels.

The same head is trained from labels of a quarter of the demo's scenes: on an encoder with random
weights, frozen and trained, and on the pre-trained one, frozen and trained. What is whole is kept.
"""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mim4d.cli.console import counting
from mim4d.config import TaskConfig
from mim4d.config.presets import task_preset
from mim4d.config.values import Frozen
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.formatting import line, number
from mim4d.evaluation.legend import USUAL, titled
from mim4d.evaluation.painted_clips import paint_clips
from mim4d.evaluation.task import TaskEvaluation, evaluate_task
from mim4d.files import write_text
from mim4d.runs.record import config_differences, read_config, read_task_config
from mim4d.tasks.task import Scores
from mim4d.training.finetune import finetune
from mim4d.training.train_once import is_finished
from mim4d.training.volume_cache import has_lasting_volumes
from mim4d.viz.bev_picture import draw_painted
from mim4d.viz.page import Picture, facts_table, figure, page

logger = logging.getLogger(__name__)
TASK = "bev_segmentation"
SCENE_FRACTION = 0.25
CLIPS_PER_SCENE = 3
PICTURES = 2


@dataclass(frozen=True)
class Arm:
    """One way to train the same head.

    Attributes:
        name: In the table.
        folder: Of its run.
        pretrained: Whether the trunk starts from the demo's pre-training.
        frozen: What stays as it is.
    """

    name: str
    folder: str
    pretrained: bool
    frozen: Frozen


ARMS = (
    Arm("random, frozen", "random-frozen", False, "trunk"),
    Arm("pre-trained, frozen", "pretrained-frozen", True, "trunk"),
    Arm("random, trained", "random", False, "nothing"),
    Arm("pre-trained, trained", "pretrained", True, "nothing"),
)


def run_demo_tasks(demo: Path, steps: int, seed: int) -> None:
    """Run it and leave DEMO/tasks with a run for each arm, and DEMO/tasks.html.

    Args:
        demo: Folder of a finished `mim4d demo`.
        steps: Optimiser steps of each arm.
        seed: Seed of the trainings.

    Raises:
        ValueError: If there is no finished demo, or an arm's folder holds another run.
        ImportError: If the extra `viz` is not installed.
    """
    world, init, out = demo / "world", demo / "run", demo / "tasks"
    if not (is_finished(init) and world.is_dir()):
        raise ValueError(f"{demo}: holds no finished demo; run `mim4d demo {demo}` first")
    config = replace(task_preset(read_config(init).preset, TASK), seed=seed)
    config = replace(config, optim=replace(config.optim, steps=steps))
    scenes = SceneChoice("train", None, SCENE_FRACTION, 0)
    start = time.perf_counter()
    rows: dict[str, Scores] = {}
    num_clips = 0
    for place, arm in enumerate(ARMS):
        logger.info("\n%d/%d %s", place + 1, len(ARMS) + 1, arm.name)
        _train(replace(config, frozen=arm.frozen), world, out / arm.folder, arm, init, scenes)
        evaluation = _evaluate(out / arm.folder, world)
        # The label prior is the same beside every arm.
        rows |= titled({USUAL: evaluation.beside[USUAL]}) | {arm.name: evaluation.rows}
        num_clips = evaluation.num_clips
    logger.info("\n%d/%d pictures and page", len(ARMS) + 1, len(ARMS) + 1)
    table = _table(rows)
    pictures = [
        draw_painted(painted, out / ARMS[-1].folder / "predictions")
        for painted in paint_clips(
            out / ARMS[-1].folder, world, clips=PICTURES, scenes=SceneChoice("val")
        )
    ]
    report = demo / "tasks.html"
    write_text(report, _page(table, config, num_clips, pictures))
    logger.info("\n%s\n", table)
    logger.info("report    %s\ntime      %.1f min", report, (time.perf_counter() - start) / 60)


def _train(
    config: TaskConfig, world: Path, run: Path, arm: Arm, init: Path, scenes: SceneChoice
) -> None:
    """Train, go on with an unfinished run, or keep a finished one."""
    there = (run / "config.json").is_file()
    if there and (differences := config_differences(read_task_config(run), config)):
        raise ValueError(
            f"{run}: holds a run of another configuration (there / here): "
            f"{', '.join(differences)}; remove {run}"
        )
    if is_finished(run):
        logger.info("%s is already finished", run)
        return
    source = init if arm.pretrained else None
    # What a frozen trunk computes is computed once, if it is the same each time.
    cache = run.parent / "volumes" if has_lasting_volumes(config) else None
    finetune(config, world, run, init=source, volume_cache=cache, scenes=scenes, resume=there)


def _evaluate(run: Path, world: Path) -> TaskEvaluation:
    held_out = SceneChoice("val")
    with counting("evaluate", "clip") as progress:
        return evaluate_task(
            run, world, scenes=held_out, max_clips=_clips_of(world), progress=progress
        )


def _clips_of(world: Path) -> int:
    from mim4d.data.tables.dataset_folder import read_split

    return CLIPS_PER_SCENE * len(read_split(world, "val") or [])


def _table(arms: dict[str, Scores]) -> str:
    """IoU of every layer, a column for each arm."""
    width = max(map(len, arms)) + 1
    lines = [line("IoU", tuple(arms), width)]
    lines.append("-" * len(lines[0]))
    for row in next(iter(arms.values())):
        values = [scores[row]["IoU"] for scores in arms.values()]
        lines.append(line(row, tuple(number(value, 3) for value in values), width))
    return "\n".join(lines)


def _page(table: str, config: TaskConfig, num_clips: int, pictures: list[Path]) -> str:
    optim = config.optim
    facts = {
        "labels": f"of {SCENE_FRACTION:.0%} of the demo's training scenes",
        "training": f"{optim.steps} steps of {optim.batch_size} clips, the same for every arm",
        "evaluated": f"{num_clips} clips of held-out scenes, threshold 0.5",
        "seed": f"{config.seed}; one seed: differences of a few points may be chance",
    }
    note = (
        "The same head, trained from the labels of few scenes. Label prior: how often the layer "
        "covers each cell in these scenes, without a look at images. Frozen: only the head learns."
    )
    caption = "Held-out clip, by the pre-trained and trained arm; outlines are annotated boxes."
    return page(
        "BEV segmentation on the demo's world",
        [
            "<h1>BEV segmentation on the demo's world</h1>",
            f"<p>{note}</p>",
            f'<div class="scroll"><pre>{table}</pre></div>',
            facts_table(facts),
            *(figure(Picture(path, caption)) for path in pictures),
        ],
    )
