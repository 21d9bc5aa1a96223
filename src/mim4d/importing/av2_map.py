"""Argoverse 2's vector map as rows of the nuScenes map expansion.

Drivable areas are road segments too, so that their outlines are road boundaries. Which left
boundaries of lanes are dividers, `geometry.lane_dividers` says. Lanes in intersections are
connectors: they have a centre line and an area, but no divider.
"""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
from jaxtyping import Float
from shapely import Polygon

from mim4d.errors import DataError
from mim4d.geometry.lane_dividers import divider_kind
from mim4d.writing.map_files import LISTS
from mim4d.writing.map_rows import MapRows

DRIVEN = ("VEHICLE", "BUS")
_CENTRE_POINTS = 12
_PREFIX = "log_map_archive_"

Line = Float[np.ndarray, "p 2"]


def read_av2_map(folder: Path, names: tuple[str, str]) -> tuple[MapRows | None, str]:
    """The map of a log, and the city that its file's name ends with; None without a map.

    Args:
        folder: Folder `map` of a log.
        names: What the rows' tokens derive from.

    Raises:
        DataError: The file is damaged.
    """
    paths = sorted(folder.glob(f"{_PREFIX}*.json"))
    if not paths:
        return None, "av2"
    try:
        content = orjson.loads(paths[0].read_bytes())
        rows = MapRows(names, np.zeros(2), LISTS)
        _draw(rows, content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{paths[0]}: not a map of Argoverse 2 ({error!r}); restore it") from error
    return rows, paths[0].stem.split("____")[-1].split("_city")[0]


def _draw(rows: MapRows, content: dict[str, Any]) -> None:
    for area in content["drivable_areas"].values():
        outline = _points(area["area_boundary"])
        if len(outline) < 3:
            continue
        polygon = rows.polygon(Polygon(outline))
        drivable = rows.add("drivable_area", polygon_tokens=[polygon])
        rows.add(
            "road_segment",
            polygon_token=polygon,
            is_intersection=False,
            drivable_area_token=drivable,
        )
    for crossing in content["pedestrian_crossings"].values():
        one, other = _points(crossing["edge1"]), _points(crossing["edge2"])
        outline = Polygon(np.concatenate([one, other[::-1]])).convex_hull
        if isinstance(outline, Polygon):
            rows.add("ped_crossing", polygon_token=rows.polygon(outline), road_segment_token="")
    lanes = {key: lane for key, lane in content["lane_segments"].items() if _is_driven(lane)}
    tokens = {key: _draw_lane(rows, lane) for key, lane in lanes.items()}
    for key, lane in lanes.items():
        for after in map(str, lane["successors"]):
            if after in tokens:
                rows.connect(tokens[key], tokens[after])
    _draw_dividers(rows, content["lane_segments"])


def _is_driven(lane: dict[str, Any]) -> bool:
    return lane["lane_type"] in DRIVEN


def _draw_lane(rows: MapRows, lane: dict[str, Any]) -> str:
    left, right = (_points(lane[f"{side}_lane_boundary"]) for side in ("left", "right"))
    polygon = rows.polygon(Polygon(np.concatenate([left, right[::-1]])))
    table = "lane_connector" if lane["is_intersection"] else "lane"
    edges = {
        "from_edge_line_token": rows.line(np.stack([left[0], right[0]])),
        "to_edge_line_token": rows.line(np.stack([left[-1], right[-1]])),
    }
    own = rows.add(table, polygon_token=polygon, lane_type="CAR", **edges)
    rows.straight_centre_line(own, (_resampled(left) + _resampled(right)) / 2)
    return own


def _draw_dividers(rows: MapRows, lanes: dict[str, dict[str, Any]]) -> None:
    """Each line once, though two lanes that pass each other share it."""
    drawn: set[tuple[tuple[float, float], ...]] = set()
    for lane in lanes.values():
        if lane["is_intersection"]:
            continue
        line = _points(lane["left_lane_boundary"])
        neighbour = lanes.get(str(lane["left_neighbor_id"]))
        beside = None if neighbour is None else _points(neighbour["left_lane_boundary"])
        kind = divider_kind(line, beside, "YELLOW" in lane["left_lane_mark_type"])
        ends = tuple(sorted((tuple(line[0].tolist()), tuple(line[-1].tolist()))))
        if len(line) < 2 or ends in drawn or kind is None:
            continue
        drawn.add(ends)
        token = rows.line(line)
        if kind == "road_divider":
            rows.add("road_divider", line_token=token, road_segment_token="")
        else:
            marks = rows.divider(line, "NIL")
            rows.add("lane_divider", line_token=token, lane_divider_segments=marks)


def _points(nodes: list[dict[str, float]]) -> Line:
    return np.array([[node["x"], node["y"]] for node in nodes])


def _resampled(line: Line) -> Float[np.ndarray, "q 2"]:
    """So many points at equal distances."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.linspace(0.0, lengths[-1], _CENTRE_POINTS)
    return np.stack([np.interp(wanted, lengths, line[:, i]) for i in range(2)], axis=-1)
