"""Are the files there, and of the kind the tables say? And which of them are opened.

Folders are listed once each, so that millions of files take seconds; opening is for a part of them
(see `choose_files`). What enters are the tables; what leaves are findings. Sizes are bytes.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import Rows, TableSet
from mim4d.check.spaced_pairs import spaced_pairs
from mim4d.data.file_sizes import file_sizes
from mim4d.data.point_values import NUMBERS_PER_POINT

FilesToOpen = Literal["all", "sample", "none"]

SAMPLED_FILES = 2000
"""So many files are opened where not all of them are."""

MISSING = Rule("missing-file", "error", "the file", "extract its archive or remove the record")
NO_SWEEP_FILES = Rule(
    "missing-sweeps",
    "warning",
    "the files of the measurements between key frames",
    "extract the sweeps, or make clips of key frames alone",
)
EMPTY = Rule("empty-file", "error", "a file with content", "restore the file")
LIDAR_SIZE = Rule(
    "lidar-file-size",
    "error",
    f"a multiple of {4 * NUMBERS_PER_POINT} bytes (x, y, z, intensity, ring as float32)",
    "restore the file or convert it",
)
EXTENSION = Rule(
    "file-extension",
    "warning",
    "images .jpg, .jpeg or .png, LiDAR sweeps .bin",
    "check that the file belongs to this sensor",
)
SHARED = Rule(
    "shared-file", "error", "a file of its own for every measurement", "correct the file names"
)
FILE_NAME = Rule(
    "file-name",
    "error",
    "paths relative to the data set, with / between folders",
    "write filename as samples/CHANNEL/FILE",
)
SAMPLED = Rule(
    "files-sampled", "remark", "every file opened", "nothing, or use --files all to open every one"
)

_ENDINGS = {"camera": (".jpg", ".jpeg", ".png"), "lidar": (".bin",)}


@dataclass(frozen=True)
class FileList:
    """What lies on the disk for each measurement.

    Attributes:
        names: Path of each measurement's file, relative to the data set.
        sizes: Bytes of each file; -1 where it is missing.
    """

    names: list[str]
    sizes: Rows


def list_files(tables: TableSet) -> FileList:
    """Look up the file of every measurement."""
    names = [name.decode(errors="replace") for name in tables["sample_data"]["filename"].tolist()]
    return FileList(names, file_sizes(tables.root, names))


def check_files(tables: TableSet, files: FileList, findings: Findings) -> None:
    """Everything that can be told without opening a file."""
    sound = tables.is_sound_data
    _check_missing(tables, files, findings)
    rows = np.flatnonzero(sound & (files.sizes == 0))
    add_files(findings, EMPTY, tables, files, rows, "0 bytes")
    lidar = sound & tables.is_modality("lidar") & (files.sizes > 0)
    for row in np.flatnonzero(lidar & (files.sizes % (4 * NUMBERS_PER_POINT) != 0)).tolist():
        add_files(findings, LIDAR_SIZE, tables, files, [row], f"{files.sizes[row]} bytes")
    lost = np.flatnonzero(files.sizes < 0).tolist()
    odd = [row for row in lost if "\\" in files.names[row] or files.names[row].startswith("/")]
    add_files(findings, FILE_NAME, tables, files, odd, "a path of another system or machine")
    _check_endings(tables, files, findings)
    _, first = np.unique(tables["sample_data"]["filename"], return_index=True)
    twice = np.setdiff1d(np.flatnonzero(sound), first)
    add_files(findings, SHARED, tables, files, twice, "another measurement has the same file")


def add_files(
    findings: Findings,
    rule: Rule,
    tables: TableSet,
    files: FileList,
    rows: "Rows | list[int]",
    found: str,
    group: str = "",
) -> None:
    """Add a place for each row of `sample_data`, with its file."""
    for row in np.asarray(rows, np.int64).tolist():
        place = Place(found, tables.token("sample_data", row), files.names[row])
        findings.add(rule, "sample_data", place, group=group)


def _check_missing(tables: TableSet, files: FileList, findings: Findings) -> None:
    """Sweeps of which none is there were not extracted, which is no fault of the data."""
    sound, missing = tables.is_sound_data, files.sizes < 0
    is_key = tables["sample_data"]["is_key_frame"]
    for number, channel in enumerate(tables.channels):
        own = sound & (tables.channel_of_data == number)
        key, sweep = own & is_key, own & ~is_key
        add = partial(add_files, findings, tables=tables, files=files, group=channel)
        add(rule=MISSING, rows=np.flatnonzero(key & missing), found="no such file")
        lost = np.flatnonzero(sweep & missing)
        rule = NO_SWEEP_FILES if len(lost) and not (sweep & ~missing).any() else MISSING
        add(rule=rule, rows=lost, found="no such file")


def _check_endings(tables: TableSet, files: FileList, findings: Findings) -> None:
    for modality, endings in _ENDINGS.items():
        rows = np.flatnonzero(tables.is_sound_data & tables.is_modality(modality))
        for row in rows.tolist():
            name = files.names[row]
            if not name.lower().endswith(endings):
                ending = PurePosixPath(name).suffix or "no ending"
                add_files(findings, EXTENSION, tables, files, [row], f"{ending} of a {modality}")


def _partners(tables: TableSet, pairs: tuple[Rows, Rows]) -> Rows:
    """The second of each first, by row; -1 where there is none."""
    partners = np.full(tables.size("sample_data"), -1, np.int64)
    partners[pairs[0]] = pairs[1]
    return partners


def choose_files(
    tables: TableSet, files: FileList, which: FilesToOpen, findings: Findings
) -> list[int]:
    """Rows of the measurements whose files are opened: all, none, or some spread evenly.

    With each comes the next of its channel, which shows whether a camera is frozen, and the first
    that is some time later, which shows whether what it sees moves.
    """
    rows, _ = tables.series
    known = tables.is_modality("camera") | tables.is_modality("lidar")
    rows = rows[(known & (files.sizes > 0))[rows]]
    if which == "none":
        return []
    if which == "all" or len(rows) <= SAMPLED_FILES:
        return rows.tolist()
    channel = tables.channel_of_data[rows]
    share = SAMPLED_FILES // max(len(np.unique(channel)), 1)
    following = _partners(tables, tables.neighbours)
    later = _partners(tables, spaced_pairs(tables))
    chosen: list[int] = []
    for number in np.unique(channel).tolist():
        own = rows[channel == number]
        own = own[later[own] >= 0] if (later[own] >= 0).any() else own
        opened = 2 if (later[own] == following[own]).all() else 3  # for each that is drawn
        drawn = np.linspace(0, len(own) - 1, min(max(share // opened, 1), len(own)))
        some = own[drawn.astype(np.int64)]
        some = np.unique(np.concatenate([some, following[some], later[some]]))
        some = some[some >= 0]
        chosen += some[files.sizes[some] > 0].tolist()
    place = Place(f"{len(chosen)} of {len(rows)} images and sweeps were opened")
    findings.add(SAMPLED, "sample_data", place)
    return chosen
