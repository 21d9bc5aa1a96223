"""What an ablation is asked for, checked before anything heavy is imported."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.config import Device, PretrainConfig
from mim4d.study.ablation.rows import choose_rows


@dataclass(frozen=True)
class Ablation:
    """What is asked for.

    Attributes:
        config: The preset; its seed is not used.
        data: Data set with held-out scenes.
        out: Folder for everything.
        rows: Names of rows; none: all. `full` is always among them.
        seeds: Of every row.
        headline_seeds: Of the headline's rows.
        clips: At most so many held-out frames are measured.
        stride: Image pixels per evaluated pixel.
        jobs: Runs that are trained side by side.
        only_table: Train nothing; show what is finished.
        version: Version folder of the data set.
        device: Where to compute.
        downstream: Labelled scenes that vehicles are learned from on each row's frozen trunk; 0:
            none.
        command: To be shown with the table.
    """

    config: PretrainConfig
    data: Path
    out: Path
    rows: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1)
    headline_seeds: tuple[int, ...] = (0, 1, 2)
    clips: int | None = None
    stride: int = 8
    jobs: int = 1
    only_table: bool = False
    version: str | None = None
    device: Device = "auto"
    downstream: int = 0
    command: str = "mim4d ablate"

    def __post_init__(self) -> None:
        choose_rows(self.rows)
        if self.jobs < 1:
            raise ValueError(f"--jobs {self.jobs}: expected at least 1")
        if self.downstream < 0:
            raise ValueError(f"--downstream {self.downstream}: expected scenes, 0 for none")
        for name, seeds in (("seeds", self.seeds), ("headline-seeds", self.headline_seeds)):
            if not seeds or len(set(seeds)) < len(seeds):
                raise ValueError(f"--{name} {' '.join(map(str, seeds))}: expected different seeds")
