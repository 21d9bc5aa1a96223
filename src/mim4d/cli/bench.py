"""`mim4d bench`: time and memory, measured and calculated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mim4d.cli import at_once
from mim4d.cli.arguments import PresetConfig
from mim4d.config import Device
from mim4d.data.images.image_fit import Fit
from mim4d.files import write_text


@dataclass(frozen=True)
class BenchStep:
    """Time a training step by stage, and measure its peak memory."""

    data: Path
    """Data set."""
    config: PresetConfig
    steps: int = 5
    """Measured steps."""
    warm_up: int = 2
    """Steps before them that are not measured."""
    no_stages: bool = False
    """Do not split the time by stage, which takes as many steps again."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    device: Device = "auto"
    """Where to compute."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, steps=self.steps)
        at_once.at_least(0, warm_up=self.warm_up)
        at_once.data_set(self.data, self.version)
        at_once.config_files(self.config)
        at_once.device(self.device)


def bench_step(options: BenchStep) -> None:
    """`mim4d bench step`."""
    from mim4d.study.bench.step import bench_step as measure

    times = measure(
        options.config,
        options.data,
        options.steps,
        options.version,
        options.device,
        warm_up=options.warm_up,
        stages=not options.no_stages,
    )
    print(times)


@dataclass(frozen=True)
class BenchMemory:
    """Count the memory of a training step by stage. Needs no data and no GPU."""

    config: PresetConfig
    place: Literal["cpu", "accelerator"] = "accelerator"
    """Where the step would run; the code differs a little."""
    compare: bool = False
    """Count again with each option that trades time for memory, and without."""


def bench_memory(options: BenchMemory) -> None:
    """`mim4d bench memory`."""
    from mim4d.study.bench.counted_memory import compare_options, count_step

    print(count_step(options.config, options.place))
    if options.compare:
        print(compare_options(options.config, options.place))


@dataclass(frozen=True)
class BenchCost:
    """Calculate the time of a run from counted operations and a rate that you measured."""

    config: PresetConfig
    rate_tflop_s: float
    """Rate of one device in such steps: operations of a step over measured seconds a step."""
    devices: int = 8
    """Number of devices that train together."""
    efficiency: float = 1.0
    """Share of their sum that is left when they work together, as `benchmarks/two_processes.py`
    measures it."""


def bench_cost(options: BenchCost) -> None:
    """`mim4d bench cost`."""
    from mim4d.study.bench.run_cost import run_cost

    print(run_cost(options.config, options.devices, options.rate_tflop_s, options.efficiency))


@dataclass(frozen=True)
class BenchLoad:
    """Time the reading of a clip, beside bare decoding and the usual OpenCV code."""

    data: Annotated[Path | None, tyro.conf.Positional] = None
    """Data set; by default a temporary one, of 3 × 6 JPEGs of 1600×900."""
    image_size: tuple[int, int] = (256, 704)
    """Rows and columns images are fitted into."""
    fit: Fit = "cover"
    """Whether the target is filled, or the whole image shown."""
    frames: int = 3
    """Frames of the clip."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel."""
    rounds: int = 10
    """Number of measurements of each row."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, frames=self.frames, rounds=self.rounds)
        if self.data is not None:
            at_once.data_set(self.data, self.version)


def bench_load(options: BenchLoad) -> None:
    """`mim4d bench load`."""
    from mim4d.study.bench.load import bench_load as measure

    times = measure(
        options.data,
        image_hw=options.image_size,
        fit=options.fit,
        frames=options.frames,
        lidar=options.lidar,
        rounds=options.rounds,
        version=options.version,
    )
    print(times)


@dataclass(frozen=True)
class BenchParts:
    """Time each part of a step beside plain reference code, or beside another checkout."""

    shapes: Annotated[Literal["official_080", "demo", "small"], tyro.conf.Positional] = (
        "official_080"
    )
    """The published 0.8 m recipe's sizes, the demo's, or small ones for a quick look."""
    parts: tuple[str, ...] = ()
    """Parts by name; by default all that can be compared at these shapes."""
    threads: int = 1
    """Threads of torch on each side."""
    rounds: int = 5
    """Measured runs of each side."""
    precision: Literal["fp32", "preset"] = "fp32"
    """Numbers to compute in; `preset` takes the preset's own."""
    against: Path | None = None
    """Another checkout of the project, in the place of the twins."""
    no_scaling: bool = False
    """Do not measure how time grows with rays, samples, frames, cameras, voxels and clips."""
    json: Path | None = None
    """File for the numbers, from which `mim4d bench report` makes a page."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, threads=self.threads, rounds=self.rounds)
        at_once.existing(self.against, "--against")
        at_once.output_file(self.json, "--json")


def bench_parts(options: BenchParts) -> None:
    """`mim4d bench parts`."""
    from mim4d.study.bench.parts.scaling import AXES
    from mim4d.study.bench.parts.suite import bench_parts as measure

    suite = measure(
        options.shapes,
        parts=options.parts,
        threads=options.threads,
        rounds=options.rounds,
        precision=options.precision,
        against=options.against,
        axes=() if options.no_scaling else tuple(AXES),
        tell=lambda line: print(line, flush=True),
    )
    print("\n".join(suite.roofline))
    if options.json is not None:
        write_text(options.json, suite.to_json())


@dataclass(frozen=True)
class BenchReport:
    """Make a page and a roofline picture from the numbers of `bench parts`."""

    measured: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Files that `mim4d bench parts --json` wrote."""
    out: Path = Path("docs/performance.md")
    """The page."""
    picture: Path | None = None
    """File for the picture, PNG; needs matplotlib (pip install 'mim4d[viz]')."""

    def check(self) -> None:
        """What is known at once."""
        for path in self.measured:
            at_once.existing(path)
        at_once.output_file(self.out, "--out")
        at_once.output_file(self.picture, "--picture")
        if self.picture is not None:
            at_once.drawing("--picture")


def bench_report(options: BenchReport) -> None:
    """`mim4d bench report`."""
    from mim4d.study.bench.parts.report import write_report

    write_report(list(options.measured), options.out, options.picture)
    print(options.out)
