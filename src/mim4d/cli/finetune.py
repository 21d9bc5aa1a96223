"""`mim4d finetune`: train a task on a pre-trained trunk."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.cli.arguments import TaskPresetConfig
from mim4d.cli.training import Training


@dataclass(frozen=True, kw_only=True)
class Finetune(Training):
    """Train a task on labels, from a pre-trained encoder or from none."""

    config: TaskPresetConfig
    init: str
    """Weights to start the trunk from: a finished run folder, a file of `mim4d export RUN --to
    safetensors`, or none for random ones."""
    volume_cache: Path | None = None
    """Folder to cache the volumes of a frozen trunk in, by trunk and data. A clip that comes again,
    in this run or another, is read instead of computed."""
    start_from: Path | None = None
    """Another run of this task, such as an imported detector, whose whole model the new run starts
    from. Give --init none with it."""


def finetune(options: Finetune) -> None:
    """`mim4d finetune`."""
    from mim4d.training.finetune import finetune as run_finetuning

    reports = run_finetuning(
        options.config,
        options.data,
        options.out,
        init=None if options.init == "none" else Path(options.init),
        volume_cache=options.volume_cache,
        start_from=options.start_from,
        **options.run_options(),
    )
    if reports:
        print(options.out)
