"""Chains of `prev` and `next`, and the records that say where they begin and end.

Samples of a scene, measurements of a scene's channel and boxes of an object each form one chain in
time. What enters are the tables; what leaves are findings. Times are microseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Rule
from mim4d.check.lenient_tables import Rows, TableSet, take
from mim4d.data.tables.columns import Columns
from mim4d.data.tables.validation import (
    backward_in_time,
    crossing_links,
    cyclic_rows,
    describe_link,
    one_way_links,
)

ONE_WAY = Rule("one-way-link", "error", "a neighbour that points back", "restore the table")
CYCLE = Rule("cycle", "error", "a chain that ends", "restore the table")
BACKWARD = Rule(
    "backward-link", "error", "times that never decrease along next", "correct times or links"
)
CROSSING = Rule("crossing-link", "error", "neighbours that belong together", "restore the table")
PIECES = Rule(
    "broken-chain", "warning", "one unbroken chain", "link the records with prev and next"
)
WRONG_END = Rule(
    "wrong-chain-end",
    "warning",
    "the record at which the chain begins or ends",
    "correct the token",
)
WRONG_COUNT = Rule(
    "wrong-count", "warning", "the number of records there are", "correct the number"
)
NO_SAMPLES = Rule("empty-scene", "warning", "a scene of at least one sample", "remove the scene")
ONE_SAMPLE = Rule(
    "short-scene",
    "remark",
    "two samples or more: one has no neighbours in time",
    "nothing, or leave the scene out: it gives no clip of several keyframes",
)
NO_BOXES = Rule("empty-instance", "warning", "an object with boxes", "remove the instance")
SAME_NAME = Rule("scene-name-twice", "error", "names that occur once", "rename one of the scenes")


@dataclass(frozen=True)
class Chain:
    """Records that form chains, one for each owner.

    Attributes:
        table: Their table.
        owner: Number of each record's owner; -1 unknown.
        times_us: Time of each record.
        sound: Whether a record could be read, owner and time included.
        describe: Name of an owner, for messages.
    """

    table: str
    owner: NDArray[np.int64]
    times_us: NDArray[np.int64]
    sound: NDArray[np.bool_]
    describe: Callable[[int], str]


def check_chains(tables: TableSet, findings: Findings) -> None:
    """Everything about chains, and the scenes and objects that own them."""
    chains = _chains(tables)
    for chain in chains:
        _check_links(tables, chain, findings)
        _check_pieces(tables, chain, findings)
    _check_scenes(tables, chains[0], findings)
    _check_instances(tables, chains[2], findings)


def _chains(tables: TableSet) -> list[Chain]:
    sample, data, boxes = (tables[n] for n in ("sample", "sample_data", "sample_annotation"))
    scene_of_data, channels = tables.scene_of_data, tables.channels
    known = (scene_of_data >= 0) & (tables.channel_of_data >= 0)
    series = np.where(known, scene_of_data * len(channels) + tables.channel_of_data, -1)

    def scene(row: int) -> str:
        return f"scene {tables['scene']['name'][row].decode(errors='replace')}"

    def series_name(number: int) -> str:
        return f"{scene(number // len(channels))}, {channels[number % len(channels)]}"

    def chain(
        table: str, owner: Rows, times_us: Rows, timed: Rows, describe: Callable[[int], str]
    ) -> Chain:
        sound = tables[table]["sound"] & timed & (owner >= 0)
        return Chain(table, owner.astype(np.int64), times_us, sound, describe)

    times, timed = sample["timestamp_us"], sample["sound"]
    return [
        chain("sample", sample["scene"], times, timed, scene),
        chain("sample_data", series, data["timestamp_us"], data["sound"], series_name),
        chain(
            "sample_annotation",
            boxes["instance"],
            take(times, boxes["sample"], 0),
            take(timed, boxes["sample"], False),
            lambda row: f"instance {tables.token('instance', row)}",
        ),
    ]


def _check_links(tables: TableSet, chain: Chain, findings: Findings) -> None:
    columns = _sound_links(tables[chain.table], chain.sound)
    times, name = chain.times_us, chain.table

    def add(rule: Rule, rows: Rows, found: Callable[[int], str]) -> None:
        findings.add_rows(rule, name, columns, rows, found)

    for ahead, back in (("next", "prev"), ("prev", "next")):
        broken = one_way_links(columns, ahead, back)
        add(ONE_WAY, broken, partial(describe_link, columns, forward=ahead, backward=back))
    add(CYCLE, cyclic_rows(columns), lambda row: "from here next never ends")
    add(
        BACKWARD,
        backward_in_time(columns, times),
        lambda row: f"next lies {(times[row] - times[columns['next'][row]]) * 1e-6:g} s earlier",
    )
    add(
        CROSSING,
        crossing_links(columns, chain.owner),
        lambda row: (
            f"next is of {chain.describe(int(chain.owner[columns['next'][row]]))}, "
            f"this of {chain.describe(int(chain.owner[row]))}"
        ),
    )


def _sound_links(columns: Columns, sound: NDArray[np.bool_]) -> Columns:
    """Links between records that could be read whole; the others are told of elsewhere."""
    links = {
        key: np.where(sound & take(sound, columns[key], False), columns[key], -1)
        for key in ("prev", "next")
    }
    return {**columns, **links}


def _check_pieces(tables: TableSet, chain: Chain, findings: Findings) -> None:
    """A chain has one first record; further ones begin another piece."""
    columns = tables[chain.table]
    first = np.flatnonzero(chain.sound & (columns["prev"] < 0))
    first = first[np.argsort(chain.times_us[first], kind="stable")]
    _, earliest = np.unique(chain.owner[first], return_index=True)
    further = np.sort(np.delete(first, earliest))
    findings.add_rows(
        PIECES,
        chain.table,
        columns,
        further,
        lambda row: (
            f"prev is empty though {chain.describe(int(chain.owner[row]))} has earlier records"
        ),
    )


def _check_scenes(tables: TableSet, chain: Chain, findings: Findings) -> None:
    scenes, name = tables["scene"], "scene"
    if "sample" not in tables.present:
        return
    counts, firsts, lasts = _ends(chain, tables.size("scene"))
    findings.add_rows(
        NO_SAMPLES, name, scenes, np.flatnonzero(counts == 0), lambda row: "no sample is of it"
    )
    findings.add_rows(
        ONE_SAMPLE, name, scenes, np.flatnonzero(counts == 1), lambda row: "a single sample"
    )
    keys = ("first_sample", "last_sample")
    _check_ends(tables, name, chain, (keys, (firsts, lasts)), findings)
    _check_count(scenes, name, ("num_samples", "nbr_samples"), counts, findings)
    _, once = np.unique(scenes["name"], return_index=True)
    twice = np.delete(np.arange(len(scenes["name"])), once)
    findings.add_rows(
        SAME_NAME, name, scenes, twice, lambda row: f"name {scenes['name'][row].decode()} again"
    )


def _check_instances(tables: TableSet, chain: Chain, findings: Findings) -> None:
    instances, name = tables["instance"], "instance"
    if "sample_annotation" not in tables.present:
        return
    counts, firsts, lasts = _ends(chain, tables.size("instance"))
    findings.add_rows(
        NO_BOXES, name, instances, np.flatnonzero(counts == 0), lambda row: "no box is of it"
    )
    _check_ends(tables, name, chain, (("first", "last"), (firsts, lasts)), findings)
    _check_count(instances, name, ("num_annotations", "nbr_annotations"), counts, findings)


def _ends(chain: Chain, owners: int) -> tuple[Rows, Rows, Rows]:
    """Number of records of each owner, its earliest and its latest; -1 where it has none."""
    rows = np.flatnonzero(chain.owner >= 0)
    rows = rows[np.lexsort((chain.times_us[rows], chain.owner[rows]))]
    counts = np.bincount(chain.owner[rows], minlength=owners)
    stop = np.cumsum(counts)
    first = np.where(counts > 0, take(rows, np.where(counts > 0, stop - counts, -1), -1), -1)
    last = np.where(counts > 0, take(rows, np.where(counts > 0, stop - 1, -1), -1), -1)
    return counts, first, last


def _check_ends(
    tables: TableSet,
    name: str,
    chain: Chain,
    ends: tuple[tuple[str, str], tuple[Rows, Rows]],
    findings: Findings,
) -> None:
    """Compare the stated ends of the owners in table `name` with the right ones."""
    for key, right in zip(*ends, strict=True):
        stated = tables[name][key]
        sound = chain.sound
        wrong = (stated != right) & take(sound, stated, False) & take(sound, right, False)
        found = partial(_found_end, tables, chain.table, key.split("_")[0], stated, right)
        findings.add_rows(WRONG_END, name, tables[name], np.flatnonzero(wrong), found, group=key)


def _found_end(
    tables: TableSet, linked: str, which: str, stated: Rows, right: Rows, row: int
) -> str:
    names = [tables.token(linked, int(rows[row])) for rows in (stated, right)]
    return f"{which} {linked} is {names[0]}, in time it is {names[1]}"


def _check_count(
    columns: Columns, name: str, keys: tuple[str, str], counts: Rows, findings: Findings
) -> None:
    key, field = keys
    stated = columns[key]
    wrong = np.flatnonzero((stated >= 0) & (stated != counts) & columns["sound"])
    findings.add_rows(
        WRONG_COUNT,
        name,
        columns,
        wrong,
        lambda row: f"{field} is {stated[row]}, there are {counts[row]}",
        group=field,
    )
