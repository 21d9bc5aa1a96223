"""`mim4d pretrain`: train on video without labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mim4d.cli import at_once
from mim4d.cli.arguments import PresetConfig
from mim4d.cli.training import Training, config_to_train, validation_picture
from mim4d.runs.record import Kind, read_record


@dataclass(frozen=True, kw_only=True)
class Pretrain(Training):
    """Pre-train on multi-camera video."""

    config: PresetConfig
    start_from: Path | None = None
    """Run folder (imported ones too) whose whole model the new run starts from."""

    def check(self) -> None:
        """What is known at once."""
        super().check()
        config_to_train(self.config, self)
        if not self.resume:
            at_once.config_files(self.config)
            if self.start_from is not None:
                at_once.run_folder(self.start_from, "pretraining")

    @classmethod
    def of_run(cls, run: Path, kind: Kind = "pretraining") -> dict[str, Any]:
        """What a run was started with, as options by name."""
        options, start = super().of_run(run, kind), read_record(run).get("start_from")
        return options | {"start_from": None if start is None else Path(start)}


def pretrain(options: Pretrain) -> None:
    """`mim4d pretrain`."""
    from mim4d.cli.after_training import say_what_was_done
    from mim4d.training.loop import pretrain as run_pretraining

    reports = run_pretraining(
        config_to_train(options.config, options),
        options.data,
        options.out,
        start_from=options.start_from,
        **options.run_options(validation_picture(options)),
    )
    if reports:
        say_what_was_done(options.out, options.data)
