"""`mim4d bench load`: the time of reading a clip, beside bare decoding and what others do.

Everything is measured in one process on one thread, in turn, over several rounds, so that whatever
else the machine does meets all ways alike. Processor time counts; the clock stands beside it. The
files lie in the machine's cache.
"""

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mim4d.data.images.image_fit import Fit
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.study.bench.load_data import write_bench_data

DECODING = "decoding at reduced size (Pillow)"
READING = "reading the clip"
MAX_RATIO = 1.4
"""Processor time that reading a clip may take, in times of bare decoding."""
_OPENCV_DECODING = "decoding at reduced size (OpenCV)"
_OPENCV = "OpenCV: decode, resize, normalise"
_OPENCV_FLOAT = "OpenCV: decode, float, resize, normalise"
_MEAN, _STD = np.float32(114.0), np.float32(58.0)


@dataclass(frozen=True)
class Way:
    """Times of one way to read a clip, milliseconds.

    Attributes:
        cpu_ms: Processor time of each round.
        wall_ms: Time by the clock of each round.
    """

    cpu_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]


@dataclass(frozen=True)
class LoadTimes:
    """What was measured.

    Attributes:
        what: On what.
        ways: Times by name; `DECODING` is what the others are compared with.
        has_opencv: Whether OpenCV's rows are there.
    """

    what: str
    ways: dict[str, Way]
    has_opencv: bool

    def ratio(self, name: str) -> float:
        """Median over the rounds of a way's processor time over that of bare decoding."""
        pairs = zip(self.ways[name].cpu_ms, self.ways[DECODING].cpu_ms, strict=True)
        return statistics.median(way / bare for way, bare in pairs)

    def __str__(self) -> str:
        lines = [self.what, f"{'':<41}{'CPU ms':>8}{'range':>16}{'clock ms':>10}{'ratio':>7}"]
        for name, way in self.ways.items():
            spread = f"{min(way.cpu_ms):.1f} to {max(way.cpu_ms):.1f}"
            median, wall = statistics.median(way.cpu_ms), statistics.median(way.wall_ms)
            lines.append(
                f"{name:<41}{median:>8.1f}{spread:>16}{wall:>10.1f}{self.ratio(name):>7.2f}"
            )
        ratio = self.ratio(READING)
        lines.append(
            f"{READING} takes {ratio:.2f} times bare decoding, at most {MAX_RATIO:.2f} is the aim: "
            + ("reached" if ratio <= MAX_RATIO else "missed")
        )
        if not self.has_opencv:
            lines.append("OpenCV is not installed, its rows are left out: pip install mim4d[bench]")
        return "\n".join(lines)


@dataclass(frozen=True)
class _File:
    """One image of the clip, and what it is to become."""

    path: Path
    stored_hw: Size
    scaled_hw: Size
    crop: tuple[int, int]
    picture_hw: Size

    @classmethod
    def of(cls, path: Path, image_hw: Size, fit: Fit) -> "_File":
        with Image.open(path) as image:
            stored_hw = (image.height, image.width)
        placement = ImagePlacement.fitted(stored_hw, image_hw, fit)
        crop = (placement.crop_top_px, placement.crop_left_px)
        picture_hw = placement.picture_hw(stored_hw, image_hw)
        return cls(path, stored_hw, placement.scaled_hw(stored_hw), crop, picture_hw)


def bench_load(
    data: Path | None,
    *,
    image_hw: Size = (256, 704),
    fit: Fit = "cover",
    frames: int = 3,
    lidar: str | None = "LIDAR_TOP",
    rounds: int = 10,
    version: str | None = None,
) -> LoadTimes:
    """Time the first clip of a data set.

    Args:
        data: The data set; None writes one of 3 × 6 JPEGs of 1600×900 for the while.
        image_hw: Rows and columns of the clip's images.
        fit: How images are fitted into them.
        frames: Frames of the clip.
        lidar: Channel of the LiDAR; None reads none.
        rounds: How often everything is measured.
        version: Version folder, where there are several.
    """
    if rounds < 1:
        raise ValueError(f"--rounds {rounds}: expected at least 1")
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        if data is None:
            data = Path(folder) / "data"
            write_bench_data(data)
        dataset = NuscenesDataset(
            data,
            version=version,
            frames=frames,
            image_hw=image_hw,
            fit=fit,
            lidar=lidar,
            cache_dir=Path(folder) / "cache",
        )
        names = [name for row in dataset.image_files(0) for name in row if name is not None]
        files = [_File.of(data / name, image_hw, fit) for name in names]
        ways = _ways(dataset, files)
        return LoadTimes(_describe(dataset, files, rounds), _measure(ways, rounds), len(ways) > 2)


def _ways(dataset: NuscenesDataset, files: list[_File]) -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {
        DECODING: lambda: [_decode_reduced(file) for file in files],
        READING: lambda: dataset[0],
    }
    if importlib.util.find_spec("cv2"):
        ways |= {
            _OPENCV_DECODING: lambda: [_opencv_reduced(file) for file in files],
            _OPENCV: lambda: [_opencv(file, as_float=False) for file in files],
            _OPENCV_FLOAT: lambda: [_opencv(file, as_float=True) for file in files],
        }
    return ways


def _measure(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, Way]:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = (time.process_time(), time.perf_counter())
            way()
            taken = (time.process_time() - start[0], time.perf_counter() - start[1])
            if number > 0:  # the first round warms caches
                times[name].append((1000 * taken[0], 1000 * taken[1]))
    return {name: Way(*zip(*pairs, strict=True)) for name, pairs in times.items()}


def _describe(dataset: NuscenesDataset, files: list[_File], rounds: int) -> str:
    clip = dataset[0]
    _, t, n, _, h, w = clip.images.shape
    height, width = files[0].stored_hw
    size = statistics.mean(file.path.stat().st_size for file in files) / 1000
    return (
        f"a clip of {t} frames × {n} cameras, {width}×{height} to {w}×{h} pixels, {size:.0f} kB a "
        f"file, {int(clip.valid_points.sum()) // t} points a frame; one thread, {rounds} rounds"
    )


def _decode_reduced(file: _File) -> object:
    with Image.open(file.path) as image:
        image.draft("RGB", (file.scaled_hw[1], file.scaled_hw[0]))
        return image.load()


def _opencv_reduced(file: _File) -> Any:
    import cv2

    ratio = min(s // c for s, c in zip(file.stored_hw, file.scaled_hw, strict=True))
    flags = [
        (8, cv2.IMREAD_REDUCED_COLOR_8),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
    ]
    flag = next((flag for factor, flag in flags if ratio >= factor), cv2.IMREAD_COLOR)
    return cv2.imread(str(file.path), flag | cv2.IMREAD_IGNORE_ORIENTATION)


def _opencv(file: _File, as_float: bool) -> Any:
    """Full decoding, resizing of everything, cropping, RGB, normalised, colours first."""
    import cv2

    image: Any = cv2.imread(str(file.path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if as_float:
        image = image.astype(np.float32)
    image = cv2.resize(image, file.scaled_hw[::-1], interpolation=cv2.INTER_LINEAR)
    (top, left), (height, width) = file.crop, file.picture_hw
    image = cv2.cvtColor(image[top : top + height, left : left + width], cv2.COLOR_BGR2RGB)
    image = (image.astype(np.float32) - _MEAN) / _STD
    return np.ascontiguousarray(image.transpose(2, 0, 1))


@contextmanager
def _one_thread() -> Iterator[None]:
    """As in a loader process."""
    setters: list[tuple[Callable[[int], object], int]] = [
        (torch.set_num_threads, torch.get_num_threads())
    ]
    if importlib.util.find_spec("cv2"):
        import cv2

        setters.append((cv2.setNumThreads, cv2.getNumThreads()))
    try:
        for setter, _ in setters:
            setter(1)
        yield
    finally:
        for setter, before in setters:
            setter(before)
