"""The 13 tables of a data set: those that do not grow with the scenes, and the scenes' joined."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from mim4d.writing.rows import SCENE_TABLES, Row, token


@dataclass(frozen=True)
class Town:
    """A place that scenes lie in.

    Attributes:
        location: Its name.
        raster: File of its raster map, relative to the data set.
        log_tokens: Of the scenes in it.
    """

    location: str
    raster: str
    log_tokens: tuple[str, ...]


def fixed_tables(
    modalities: Mapping[str, str],
    categories: Iterable[str],
    attributes: Iterable[str],
    visibilities: Mapping[str, Row],
    towns: Sequence[Town],
) -> dict[str, list[Row]]:
    """Tables that do not grow with the scenes (but for the logs of the maps).

    Args:
        modalities: Whether each channel is a `camera` or a `lidar`.
        categories: Names of the boxes' classes.
        attributes: Names of their attributes.
        visibilities: Rows of the table of visibilities by token.
        towns: Places with a raster map.
    """
    return {
        "sensor": [
            {"token": token("sensor", channel), "channel": channel, "modality": modality}
            for channel, modality in modalities.items()
        ],
        "category": [
            {"token": token("category", name), "name": name, "description": "", "index": index}
            for index, name in enumerate(categories)
        ],
        "attribute": [
            {"token": token("attribute", name), "name": name, "description": ""}
            for name in attributes
        ],
        "visibility": [{"token": own, **row} for own, row in visibilities.items()],
        "map": [
            {
                "token": token("map", town.location),
                "log_tokens": list(town.log_tokens),
                "category": "semantic_prior",
                "filename": town.raster,
            }
            for town in towns
        ],
    }


def join_tables(parts: list[Path], fixed: dict[str, list[Row]], folder: Path) -> None:
    """Write the tables of all scenes, in the order of `parts`, into the version's folder."""
    folder.mkdir()
    for table, rows in fixed.items():
        (folder / f"{table}.json").write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    for table in SCENE_TABLES:
        with (folder / f"{table}.json").open("wb") as file:
            file.write(b"[")
            separator = b"\n"
            for part in parts:
                if text := (part / f"{table}.json").read_bytes():
                    file.write(separator + text)
                    separator = b",\n"
            file.write(b"\n]\n")
