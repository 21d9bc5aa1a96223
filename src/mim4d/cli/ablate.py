"""`mim4d ablate`: what each part of the method is worth."""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.cli import at_once
from mim4d.cli.arguments import PresetConfig
from mim4d.config import Device

if TYPE_CHECKING:
    from mim4d.study.ablation.request import Ablation


@dataclass(frozen=True)
class Ablate:
    """Train and measure the method with one thing changed at a time, over several seeds.

    Finished runs are kept, and interrupted ones continue.
    """

    data: Path
    """Data set with held-out scenes."""
    out: Path
    """Folder for the runs, the table and the picture."""
    config: PresetConfig
    steps: int | None = None
    """Optimiser steps of every run; by default the preset's."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds of every row."""
    headline_seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the rows full, no_flow, copy and mean."""
    rows: tuple[str, ...] = ()
    """Rows by name; by default all. The row full, with which the others are compared, is always
    among them."""
    clips: int | None = 48
    """Measure at most this many held-out frames, spread over the scenes; the same for all rows."""
    stride: int = 8
    """Image pixels per measured pixel, in both directions."""
    jobs: int = 1
    """Runs that are trained side by side, each on its share of the cores and reading its clips
    between its steps."""
    downstream: int = 0
    """Learn vehicles on each row's frozen trunk from so many labelled scenes, and show the IoU of
    held-out scenes; 0 does not. One rate for all rows: see `mim4d study` for claims."""
    only_table: bool = False
    """Train nothing: measure and show the finished runs."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    device: Device = "auto"
    """Where to compute."""

    def check(self) -> None:
        """What is known at once."""
        _asked(self)
        at_once.at_least(0, seeds=self.seeds, headline_seeds=self.headline_seeds)
        at_once.at_least(1, clips=self.clips, stride=self.stride)
        at_once.data_set(self.data, self.version)
        at_once.output_folder(self.out, "--out")
        at_once.config_files(self.config)
        at_once.device(self.device)
        at_once.drawing("the picture of an ablation")


def _asked(options: Ablate) -> "Ablation":
    from mim4d.study.ablation.request import Ablation

    config = options.config
    if options.steps is not None:
        config = replace(config, optim=replace(config.optim, steps=options.steps))
    return Ablation(
        config,
        options.data,
        options.out,
        rows=options.rows,
        seeds=options.seeds,
        headline_seeds=options.headline_seeds,
        clips=options.clips,
        stride=options.stride,
        jobs=options.jobs,
        downstream=options.downstream,
        only_table=options.only_table,
        version=options.version,
        device=options.device,
        command=_shown_command({str(options.data): "WORLD", str(options.out): "DIR"}),
    )


def ablate(options: Ablate) -> None:
    """`mim4d ablate`."""
    from mim4d.study.ablation.ablate import ablate as run_ablation
    from mim4d.study.ablation.markdown import markdown

    print(markdown(run_ablation(_asked(options))))
    print(options.out)


def _shown_command(names: dict[str, str]) -> str:
    """The command line as others would give it: folders by name, and nothing left out."""
    words = [names.get(word, word) for word in sys.argv[1:] if word != "--only-table"]
    return shlex.join(["mim4d", *words])
