"""A data set in numbers: scenes, sensors, rates, image sizes, hours, boxes, points.

What enters are the tables and the facts about opened sweeps; what leaves is a record of numbers
that a report prints and JSON keeps. Hours, hertz, pixels.
"""

from dataclasses import dataclass

import numpy as np

from mim4d.check.boxes import categories_of_boxes
from mim4d.check.clocks import keyframe_interval_s, rates_hz
from mim4d.check.lenient_tables import TableSet
from mim4d.check.sensors import image_sizes
from mim4d.check.sweeps import SweepFacts


@dataclass(frozen=True)
class SensorSummary:
    """One channel.

    Attributes:
        channel: Its name.
        modality: 'camera', 'lidar' or 'radar'.
        measurements: Files in the tables.
        key_frames: How many of them belong to a sample.
        rate_hz: Median rate; None if no scene has two.
        sizes: Columns and rows of its images, as texts.
    """

    channel: str
    modality: str
    measurements: int
    key_frames: int
    rate_hz: float | None
    sizes: list[str]


@dataclass(frozen=True)
class Summary:
    """A data set in numbers.

    Attributes:
        scenes: Number of scenes.
        samples: Number of samples.
        hours: Sum of the scenes' durations.
        key_frame_interval_s: Median time between samples; None if no scene has two.
        sensors: Every channel that measured anything.
        boxes: Number of boxes by category.
        instances: Number of objects.
        locations: Number of logs by location.
        lidar_points: Smallest, median and largest number of points of an opened sweep; None if
            none was opened.
        files_opened: Number of files that were opened.
    """

    scenes: int
    samples: int
    hours: float
    key_frame_interval_s: float | None
    sensors: list[SensorSummary]
    boxes: dict[str, int]
    instances: int
    locations: dict[str, int]
    lidar_points: tuple[int, int, int] | None
    files_opened: int


def summarise(tables: TableSet, sweeps: dict[int, SweepFacts], files_opened: int) -> Summary:
    """The numbers of a data set."""
    interval = keyframe_interval_s(tables)
    names, counts = np.unique(categories_of_boxes(tables), return_counts=True)
    boxes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    places, logs = np.unique(tables["log"]["location"], return_counts=True)
    points = [fact.finite for fact in sweeps.values()]
    return Summary(
        scenes=tables.size("scene"),
        samples=tables.size("sample"),
        hours=_hours(tables),
        key_frame_interval_s=interval if np.isfinite(interval) else None,
        sensors=_sensors(tables),
        boxes=dict(sorted(boxes.items(), key=lambda item: -item[1])),
        instances=tables.size("instance"),
        locations={
            place.decode(errors="replace"): count
            for place, count in zip(places.tolist(), logs.tolist(), strict=True)
        },
        lidar_points=(min(points), int(np.median(points)), max(points)) if points else None,
        files_opened=files_opened,
    )


def _hours(tables: TableSet) -> float:
    """From the first to the last sample of each scene."""
    sample = tables["sample"]
    rows = np.flatnonzero(sample["sound"] & (sample["scene"] >= 0))
    times, scene = sample["timestamp_us"][rows], sample["scene"][rows]
    first = np.full(tables.size("scene"), np.iinfo(np.int64).max)
    last = np.full(tables.size("scene"), np.iinfo(np.int64).min)
    np.minimum.at(first, scene, times)
    np.maximum.at(last, scene, times)
    used = np.unique(scene)
    return float((last[used] - first[used]).sum()) * 1e-6 / 3600


def _sensors(tables: TableSet) -> list[SensorSummary]:
    rates, sizes = rates_hz(tables), image_sizes(tables)
    is_key = tables["sample_data"]["is_key_frame"]
    sensors = []
    for number, channel in enumerate(tables.channels):
        own = tables.is_sound_data & (tables.channel_of_data == number)
        if own.any():
            sensors.append(
                SensorSummary(
                    channel=channel,
                    modality=tables.modality_of_channel[channel],
                    measurements=int(own.sum()),
                    key_frames=int((own & is_key).sum()),
                    rate_hz=rates.get(channel),
                    sizes=[f"{w}x{h}" for w, h in sizes.get(channel, {})],
                )
            )
    return sensors
