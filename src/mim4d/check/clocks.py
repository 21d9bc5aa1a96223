"""Time: order, rates, dropped frames, and whether measurements belong to their samples.

What enters are the tables; what leaves are findings and the rate of every channel. Timestamps are
microseconds, rates hertz.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import Rows, TableSet, take
from mim4d.data.tables.plausibility import KEYFRAME_INTERVAL_S, NEXT_TO_NOTHING
from mim4d.data.timeline import GAP_INTERVALS

DROPPED_AT = GAP_INTERVALS
"""A gap of so many usual intervals means that something is missing."""
MAX_SAMPLE_DELAY_S = 0.2
NUSCENES_KEYFRAME_HZ = 2.0
FIRST_YEAR_US = 946_684_800_000_000
"""The year 2000."""

SAME_TIME = Rule(
    "same-time", "warning", "a later time than the one before", "correct or remove one of the two"
)
DROPPED = Rule(
    "dropped-frames",
    "remark",
    f"gaps of less than {DROPPED_AT:g} usual intervals",
    "nothing; clips that fall into a gap are left out",
)
FAR_FROM_SAMPLE = Rule(
    "far-from-sample",
    "warning",
    f"key frames within {MAX_SAMPLE_DELAY_S:g} s of their sample (half an interval at most)",
    "check which sample they belong to, and the clocks of the sensors",
)
CLOCK = Rule(
    "camera-clock",
    "error",
    "key images within an interval of their samples",
    "correct the cameras' clocks, or sample_token: training refuses them",
)
WITHOUT_KEYFRAME = Rule(
    "sample-without-data",
    "warning",
    "a key frame of every channel in every sample",
    "nothing, if the sensor was off: such images are marked as absent",
)
TWO_KEYFRAMES = Rule(
    "two-key-frames",
    "error",
    "one key frame of a channel in a sample",
    "set is_key_frame to false in one of them",
)
NO_KEYFRAMES = Rule(
    "no-key-frames",
    "warning",
    "key frames of every camera and LiDAR",
    "set is_key_frame in the records of the samples, or make clips by time "
    "(--clip.frame-interval-s)",
)
INVALID = Rule(
    "invalid-measurements",
    "remark",
    "measurements that are valid",
    "nothing; those whose is_valid is false are left out",
)
TIME_UNITS = Rule(
    "time-units", "error", "timestamps in microseconds", "convert the timestamps to microseconds"
)
EPOCH = Rule(
    "clock-epoch",
    "remark",
    "microseconds since 1970",
    "nothing; only differences of times are used",
)
RATE = Rule(
    "key-frame-rate",
    "remark",
    f"key frames at {NUSCENES_KEYFRAME_HZ:g} Hz, as nuScenes has them",
    "nothing, or set the frame interval of clips in seconds",
)
NO_SWEEPS = Rule(
    "no-sweeps",
    "remark",
    "measurements between the key frames",
    "nothing; clips are made of key frames",
)


def check_clocks(tables: TableSet, findings: Findings) -> None:
    """All checks of times."""
    data = tables["sample_data"]
    before, after = tables.neighbours
    times = data["timestamp_us"]
    gaps = times[after] - times[before]
    findings.add_rows(
        SAME_TIME,
        "sample_data",
        data,
        after[gaps == 0],
        lambda row: f"another measurement of {tables.channel(row)} has the time {times[row]}",
    )
    _check_units(tables, findings)
    _check_gaps(tables, after, gaps, findings)
    if not findings.has(TIME_UNITS.code):
        _check_samples(tables, findings)
    _check_coverage(tables, findings)
    invalid = np.flatnonzero(data["sound"] & ~data["is_valid"])
    findings.add_rows(INVALID, "sample_data", data, invalid, lambda row: "is_valid is false")
    if tables.size("sample_data") and data["is_key_frame"].all():
        place = Place(f"all {tables.size('sample_data')} measurements are key frames")
        findings.add(NO_SWEEPS, "sample_data", place)


def keyframe_interval_s(tables: TableSet) -> float:
    """Median time between consecutive samples of a scene; NaN if there are none."""
    sample = tables["sample"]
    rows = np.flatnonzero(sample["sound"] & (sample["scene"] >= 0))
    rows = rows[np.lexsort((sample["timestamp_us"][rows], sample["scene"][rows]))]
    same = sample["scene"][rows[1:]] == sample["scene"][rows[:-1]]
    gaps = np.diff(sample["timestamp_us"][rows])[same]
    return float(np.median(gaps)) * 1e-6 if len(gaps) else float("nan")


def rates_hz(tables: TableSet) -> dict[str, float]:
    """Median rate of each channel that measured anything twice in a scene."""
    before, after = tables.neighbours
    times, channel = tables["sample_data"]["timestamp_us"], tables.channel_of_data[after]
    gaps = times[after] - times[before]
    rates = {}
    for number, name in enumerate(tables.channels):
        own = gaps[(channel == number) & (gaps > 0)]
        if len(own):
            rates[name] = 1e6 / float(np.median(own))
    return rates


def _check_units(tables: TableSet, findings: Findings) -> None:
    interval, sample = keyframe_interval_s(tables), tables["sample"]
    if np.isfinite(interval):
        low, high = KEYFRAME_INTERVAL_S
        if not low <= interval <= high:
            place = Place(f"samples {interval * 1e6:g} apart", tables.token("sample", 0))
            findings.add(TIME_UNITS, "sample", place, count=tables.size("sample"))
        elif abs(interval * NUSCENES_KEYFRAME_HZ - 1) > 0.1:
            findings.add(RATE, "sample", Place(f"{1 / interval:.2g} Hz"))
    times = sample["timestamp_us"][sample["sound"]]
    if len(times) and times.min() < FIRST_YEAR_US and not findings.has(TIME_UNITS.code):
        findings.add(EPOCH, "sample", Place(f"times from {times.min() * 1e-6:.0f} s on"))


def _check_gaps(tables: TableSet, after: Rows, gaps: Rows, findings: Findings) -> None:
    """Gaps among each channel's usual intervals."""
    channel = tables.channel_of_data[after]
    for number, name in enumerate(tables.channels):
        own = np.flatnonzero((channel == number) & (gaps > 0))
        if len(own) < 3:
            continue
        usual = float(np.median(gaps[own]))
        wide = own[gaps[own] > DROPPED_AT * usual]
        length = dict(zip(after[wide].tolist(), (gaps[wide] * 1e-6).tolist(), strict=True))
        found = partial(_found_gap, length, usual * 1e-6)
        findings.add_rows(
            DROPPED, "sample_data", tables["sample_data"], after[wide], found, group=name
        )


def _found_gap(length: dict[int, float], usual_s: float, row: int) -> str:
    return f"{length[row]:.3g} s after the one before, usually {usual_s:.3g} s"


def _check_samples(tables: TableSet, findings: Findings) -> None:
    """Key frames must lie near the time of the sample that they belong to."""
    data = tables["sample_data"]
    delay = (
        data["timestamp_us"] - take(tables["sample"]["timestamp_us"], data["sample"], 0)
    ) * 1e-6
    interval = keyframe_interval_s(tables)
    limit = np.nanmin([MAX_SAMPLE_DELAY_S, interval / 2])
    far = tables.is_sound_data & data["is_key_frame"] & (np.abs(delay) > limit)
    own = tables.is_sound_data & data["is_key_frame"] & tables.is_modality("camera")
    # Where no scene has two samples there is no interval to tell far from near by.
    known = bool(own.any()) and np.isfinite(interval)
    if known and np.mean(np.abs(delay[own]) <= interval) <= NEXT_TO_NOTHING:
        found = f"key frames of all cameras lie {np.median(delay[own]):+.3g} s from their samples"
        findings.add(CLOCK, "sample_data", Place(found), count=int(own.sum()))
        return
    findings.add_rows(
        FAR_FROM_SAMPLE,
        "sample_data",
        data,
        np.flatnonzero(far),
        lambda row: (
            f"{tables.channel(row)}, {delay[row]:+.3f} s from sample "
            f"{tables.token('sample', int(data['sample'][row]))}"
        ),
    )


def _check_coverage(tables: TableSet, findings: Findings) -> None:
    """Each channel that has key frames at all should have one in every sample."""
    data = tables["sample_data"]
    key = np.flatnonzero(tables.is_sound_data & data["is_key_frame"])
    for number, name in enumerate(tables.channels):
        rows = key[tables.channel_of_data[key] == number]
        if len(rows) == 0:
            if (tables.is_sound_data & (tables.channel_of_data == number)).any():
                findings.add(NO_KEYFRAMES, "sample_data", Place("no key frame at all"), group=name)
            continue
        counts = np.bincount(data["sample"][rows], minlength=tables.size("sample"))
        missing = np.flatnonzero((counts == 0) & tables["sample"]["sound"])
        findings.add_rows(
            WITHOUT_KEYFRAME,
            "sample",
            tables["sample"],
            missing,
            lambda row: "no key frame",
            group=name,
        )
        second = rows[_repeats(data["sample"][rows])]
        findings.add_rows(
            TWO_KEYFRAMES,
            "sample_data",
            data,
            second,
            lambda row: (
                f"sample {tables.token('sample', int(data['sample'][row]))} has another key frame"
            ),
            group=name,
        )


def _repeats(values: NDArray[np.int32]) -> NDArray[np.int64]:
    """Positions of values that occurred before."""
    _, first = np.unique(values, return_index=True)
    return np.delete(np.arange(len(values)), first)
