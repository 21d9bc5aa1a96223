"""Files of the vector map in the format of the nuScenes map expansion, version 1.3.

A scene's rows refer to rows of the same scene only, so scenes can be written in any order and
joined as text.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mim4d.writing.rows import Row

LISTS = (
    "polygon",
    "line",
    "node",
    "drivable_area",
    "road_segment",
    "road_block",
    "lane",
    "ped_crossing",
    "walkway",
    "stop_line",
    "carpark_area",
    "road_divider",
    "lane_divider",
    "traffic_light",
    "lane_connector",
)
MAPPINGS = ("arcline_path_3", "connectivity")  # tables that are keyed by a lane's token
VERSION = "1.3"


def write_map_part(
    lists: Mapping[str, list[Row]], mappings: Mapping[str, dict[str, Any]], folder: Path
) -> None:
    """One file per table in a scene's folder, without the brackets around all rows."""
    for table in LISTS:
        lines = ",\n".join(json.dumps(row) for row in lists[table])
        _part(folder, table).write_text(lines)
    for table in MAPPINGS:
        items = mappings[table].items()
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in items)
        _part(folder, table).write_text(lines)


def join_scene_maps(folders: list[Path], canvas_m: tuple[float, float], path: Path) -> None:
    """Write the vector map of a town from its scenes' files, one file in memory at a time.

    Args:
        folders: The scenes' folders, in order.
        canvas_m: Width and height of the town.
        path: The JSON file to write.
    """
    with path.open("w") as file:
        file.write(f'{{\n"version": "{VERSION}",\n"canvas_edge": {json.dumps(list(canvas_m))}')
        for table in (*LISTS, *MAPPINGS):
            opening, closing = "[]" if table in LISTS else "{}"
            file.write(f',\n"{table}": {opening}')
            written = False
            for folder in folders:
                text = _part(folder, table).read_text()
                if text:
                    file.write(",\n" if written else "\n")
                    file.write(text)
                    written = True
            file.write(f"\n{closing}")
        file.write("\n}\n")


def _part(folder: Path, table: str) -> Path:
    return folder / f"map-{table}.json"
