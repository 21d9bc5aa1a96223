"""`mim4d finetune`: train a task on a pre-trained trunk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mim4d.cli import at_once
from mim4d.cli.arguments import TaskPresetConfig
from mim4d.cli.training import Training, config_to_train, validation_picture
from mim4d.runs.record import Kind, read_record


@dataclass(frozen=True, kw_only=True)
class Finetune(Training):
    """Train a task on labels, from a pre-trained encoder or from none.

    `mim4d finetune TASK RUN` takes images, encoder, lifting and grid from the pre-training in the
    folder RUN, and starts from its weights.
    """

    config: TaskPresetConfig
    init: str
    """Weights to start the trunk from: a finished run folder, a folder or file of `mim4d export RUN
    --to safetensors`, or none for random ones. A run folder in the place of PRESET gives them, too,
    unless others are asked for."""
    volume_cache: Path | None = None
    """Folder to cache the volumes of a frozen trunk in, by trunk and data. A clip that comes again,
    in this run or another, is read instead of computed."""
    start_from: Path | None = None
    """Another run of this task, such as an imported detector, whose whole model the new run starts
    from. Give --init none with it."""

    def check(self) -> None:
        """What is known at once."""
        super().check()
        config_to_train(self.config, self)
        if self.resume:
            return
        at_once.output_folder(self.volume_cache, "--volume-cache")
        at_once.config_files(self.config)
        if self.init != "none":
            at_once.existing(Path(self.init), "--init")
            if Path(self.init).is_dir():
                at_once.run_folder(Path(self.init), finished=True)
        if self.start_from is not None:
            at_once.run_folder(self.start_from, "task")

    @classmethod
    def of_run(cls, run: Path, kind: Kind = "task") -> dict[str, Any]:
        """What a run was started with, as options by name."""
        options, record = super().of_run(run, kind), read_record(run)
        cache, start = options.get("volume_cache"), record.get("start_from")
        return options | {
            "volume_cache": None if cache is None else Path(cache),
            "init": record.get("init") or "none",
            "start_from": None if start is None else Path(start),
        }


def finetune(options: Finetune) -> None:
    """`mim4d finetune`."""
    from mim4d.cli.after_training import say_what_was_done
    from mim4d.training.finetune import finetune as run_finetuning

    reports = run_finetuning(
        config_to_train(options.config, options),
        options.data,
        options.out,
        init=None if options.init == "none" else Path(options.init),
        volume_cache=options.volume_cache,
        start_from=options.start_from,
        **options.run_options(validation_picture(options)),
    )
    if reports:
        say_what_was_done(options.out, options.data)
