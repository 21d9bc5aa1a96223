"""Train a task: a trunk with the weights of a pre-training, or without, and a head."""

import logging
from pathlib import Path
from typing import Unpack

from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config import TaskConfig
from mim4d.runs.transfer import transfer
from mim4d.training.loop import Job, RunOptions, train
from mim4d.training.modules import TaskModule
from mim4d.training.resume import check_start
from mim4d.training.step_module import StepModule

logger = logging.getLogger(__name__)


def finetune(
    config: TaskConfig,
    data: Path,
    run: Path,
    *,
    init: Path | None,
    **options: Unpack[RunOptions],
) -> bool:
    """Train a task and leave a run folder.

    Args:
        config: The resolved configuration.
        data: Folder of a data set in the nuScenes format, with labels.
        run: The run folder; must not hold a run unless it is resumed.
        init: Run folder or exported safetensors whose encoder the trunk starts from; None starts
            as the configuration says.
        **options: See `mim4d.training.loop.train`.

    Returns:
        Whether this is the first of the processes, the one that reports.

    Raises:
        ValueError: For anything wrong with the data, the configuration, the weights to start from
            or the run folder.
        NonFiniteError: If a step gives a loss or gradient that is not finite.
    """

    def make(world_size: int, restored: bool) -> StepModule:
        task, model = build_task(without_weights_file(config) if restored or init else config)
        taken: frozenset[str] = frozenset()
        if init is not None and not restored:
            done = transfer(model, config, init)
            logger.info("%s", done)
            taken = done.taken
        return TaskModule(model, task, config, world_size, taken)

    if not options.get("resume"):  # else it was checked when it started
        check_start(config, init, "--init")
    start = {"init": None if init is None else str(init.resolve())}
    return train(Job(config, f"finetune {config.task}", start, make), data, run, **options)
