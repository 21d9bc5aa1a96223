"""Opens files in a few threads and hands what they hold to the judges.

What enters are rows of `sample_data`; what leaves are findings and the facts a summary needs.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from mim4d.check.files import FileList, add_files
from mim4d.check.findings import Findings, Rule
from mim4d.check.ground import MAX_SWEEPS
from mim4d.check.images import ImageFacts, judge_images, read_image_facts
from mim4d.check.lenient_tables import Rows, TableSet
from mim4d.check.sweeps import SweepFacts, judge_sweeps, read_sweep_facts

UNREADABLE = Rule("unreadable-file", "error", "a file that can be read", "check its permissions")

_AT_ONCE = 256


def check_contents(
    tables: TableSet,
    files: FileList,
    rows: list[int],
    findings: Findings,
    progress: Callable[[int, int], None] | None = None,
) -> dict[int, SweepFacts]:
    """Open the files of `rows`; returns the facts about the sweeps among them."""
    is_camera = tables.is_modality("camera")
    boxes = _boxes_by_sample(tables)
    sweeps_opened = [row for row in rows if not is_camera[row]]
    with_ground = set(sweeps_opened[:: max(1, len(sweeps_opened) // MAX_SWEEPS)])
    images: dict[int, ImageFacts] = {}
    sweeps: dict[int, SweepFacts] = {}

    def read(row: int) -> ImageFacts | SweepFacts | OSError:
        try:
            content = (tables.root / files.names[row]).read_bytes()
        except OSError as error:
            return error
        if is_camera[row]:
            return read_image_facts(content)
        return read_sweep_facts(content, tables, row, boxes(row), row in with_ground)

    for done, (row, fact) in enumerate(_in_threads(read, rows), start=1):
        match fact:
            case ImageFacts():
                images[row] = fact
            case SweepFacts():
                sweeps[row] = fact
            case OSError():
                add_files(findings, UNREADABLE, tables, files, [row], str(fact))
        if progress is not None:
            progress(done, len(rows))
    judge_images(tables, files, images, findings)
    judge_sweeps(tables, files, sweeps, findings)
    return sweeps


def _in_threads(
    read: Callable[[int], ImageFacts | SweepFacts | OSError], rows: list[int]
) -> Iterator[tuple[int, ImageFacts | SweepFacts | OSError]]:
    waiting = iter(rows)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        while part := list(islice(waiting, _AT_ONCE)):
            yield from zip(part, pool.map(read, part), strict=True)


def _boxes_by_sample(tables: TableSet) -> Callable[[int], Rows]:
    """Function from a measurement to the sound boxes of its sample; none for a sweep."""
    columns, data = tables["sample_annotation"], tables["sample_data"]
    good = columns["sound"] & np.isfinite(columns["translation_m"]).all(axis=1)
    good &= np.isfinite(columns["rotation_wxyz"]).all(axis=1)
    good &= (columns["size_wlh_m"] > 0).all(axis=1) & (columns["sample"] >= 0)
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(columns["sample"][rows], kind="stable")]
    start = np.searchsorted(columns["sample"][rows], np.arange(tables.size("sample") + 1))

    def boxes(row: int) -> Rows:
        sample = int(data["sample"][row])
        return rows[start[sample] : start[sample + 1]] if data["is_key_frame"][row] else rows[:0]

    return boxes
