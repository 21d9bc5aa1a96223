"""Rows of the vector map of a scene in the format of the nuScenes map expansion, version 1.3.

Coordinates are metres in `global`. A scene's rows refer to rows of the same scene only, so scenes
can be written in any order and joined as text. Tokens are hashes of names, as in `tables`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate

from mim4d.world.streets.outlines import roadway, walkways
from mim4d.world.streets.roads import StreetPlan
from mim4d.world.writing.map_rows import MapRows, Row
from mim4d.world.writing.map_streets import draw_streets
from mim4d.writing.map_files import LISTS, MAPPINGS, join_scene_maps, write_map_part

__all__ = ["LISTS", "MAPPINGS", "SceneMap", "join_scene_maps", "scene_map", "write_scene_map"]


@dataclass(frozen=True)
class SceneMap:
    """The map of a scene, in `global`.

    Attributes:
        lists: Rows of each table.
        mappings: Values of the tables that are keyed by a lane's token.
        surface: Roads and sidewalks.
    """

    lists: dict[str, list[Row]]
    mappings: dict[str, dict[str, Any]]
    surface: MultiPolygon


def scene_map(
    plan: StreetPlan, global_offset: Float[np.ndarray, "2"], names: tuple[str, str]
) -> SceneMap:
    """The vector map of a scene's streets.

    Args:
        plan: The streets, in world axes.
        global_offset: Position of the world's origin in `global`, metres.
        names: Names of the world and of the scene, which tokens derive from.
    """
    rows = MapRows(names, global_offset, LISTS)
    road = roadway(plan)
    walks = walkways(plan, road)
    draw_streets(rows, plan, road)
    for walk in walks.geoms:
        rows.add("walkway", polygon_token=rows.polygon(walk))
    surface = shapely.union_all([*road.geoms, *walks.geoms])
    shifted = translate(surface, *map(float, global_offset))
    parts = [part for part in shapely.get_parts(shifted) if isinstance(part, Polygon)]
    mappings: dict[str, dict[str, Any]] = {
        "arcline_path_3": rows.arclines,
        "connectivity": rows.connectivity,
    }
    return SceneMap(rows.lists, mappings, MultiPolygon(parts))


def write_scene_map(drawn: SceneMap, folder: Path) -> None:
    """One file per table in a scene's folder, without the brackets around all rows."""
    write_map_part(drawn.lists, drawn.mappings, folder)
