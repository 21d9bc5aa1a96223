"""Train a task: a trunk with the weights of a pre-training, or without, and a head."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Unpack

from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config import TaskConfig
from mim4d.runs.loading import start_task_at
from mim4d.runs.transfer import transfer
from mim4d.training.loop import Job, RunOptions, train
from mim4d.training.modules import TaskModule
from mim4d.training.resume import check_start
from mim4d.training.step_module import StepModule
from mim4d.training.volume_cache import VolumeCache

logger = logging.getLogger(__name__)


def finetune(
    config: TaskConfig,
    data: Path,
    run: Path,
    *,
    init: Path | None,
    init_parts: Collection[str] | None = None,
    start_from: Path | None = None,
    volume_cache: Path | None = None,
    **options: Unpack[RunOptions],
) -> bool:
    """Train a task and leave a run folder.

    Args:
        config: The resolved configuration.
        data: Folder of a data set in the nuScenes format, with labels.
        run: The run folder; must not hold a run unless it is resumed.
        init: Run folder or exported safetensors whose encoder the trunk starts from; None starts
            as the configuration says.
        init_parts: Parts of it that are taken (see `transfer`); None takes all.
        volume_cache: Folder to keep a frozen trunk's volumes in; None computes them every time.
        start_from: Another run of the task, whose whole model the new one starts from instead.
        **options: See `mim4d.training.loop.train`.

    Returns:
        Whether this is the first of the processes, the one that reports.

    Raises:
        ValueError: For anything wrong with the data, the configuration, the weights to start from
            or the run folder.
        NonFiniteError: If a step gives a loss or gradient that is not finite.
    """
    cache = None
    if volume_cache is not None:
        cache = VolumeCache(volume_cache, config, data, options.get("version"))

    def make(world_size: int, restored: bool) -> StepModule:
        given = restored or init or start_from
        task, model = build_task(without_weights_file(config) if given else config)
        taken: frozenset[str] = frozenset()
        if init is not None and not restored:
            done = transfer(model, config, init, init_parts)
            logger.info("%s", done)
            taken = done.taken
        if start_from is not None and not restored:
            start_task_at(model, start_from)
        return TaskModule(model, task, config, world_size, taken, cache)

    if init is not None and start_from is not None:
        raise ValueError(
            f"--init {init} beside --start-from {start_from}: only one of them can give the weights"
        )
    if not options.get("resume"):  # else it was checked when it started
        source, flag = (init, "--init") if start_from is None else (start_from, "--start-from")
        check_start(config, source, flag)
    start = {
        name: None if path is None else str(path.resolve())
        for name, path in (("init", init), ("start_from", start_from))
    }
    if init_parts is not None:
        start["init_parts"] = ", ".join(sorted(init_parts))
    kept = {"volume_cache": None if volume_cache is None else str(volume_cache)}
    job = Job(config, f"finetune {config.task}", start, make, kept)
    return train(job, data, run, **options)
