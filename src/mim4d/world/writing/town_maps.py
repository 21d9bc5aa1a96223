"""Writing maps: a scene's part of its town's maps, and the join of all scenes' parts.

Every scene writes its rows of the vector map and its tile of the raster into a folder of its own,
whatever the other scenes do; once all are there, each town's files are put together.
"""

from pathlib import Path

from mim4d.world.scene.layout import Layout
from mim4d.world.scene.town import Placement, canvas_m, towns_of
from mim4d.world.writing.map_raster import join_tiles, write_tile
from mim4d.world.writing.map_tables import join_scene_maps, scene_map, write_scene_map


def write_scene_parts(
    layout: Layout, place: Placement, names: tuple[str, str], folder: Path
) -> None:
    """Write a scene's part of the maps.

    Args:
        layout: The scene, sampled for this place.
        place: Its cell.
        names: Names of the world and of the scene, which tokens derive from.
        folder: The scene's own folder, which exists.
    """
    drawn = scene_map(layout.plan, layout.global_offset, names)
    write_scene_map(drawn, folder)
    write_tile(drawn.surface, place, folder)


def write_town_maps(places: list[Placement], parts: list[Path], maps: Path) -> dict[str, list[int]]:
    """Join the scenes' parts into one vector map and one raster per town.

    Args:
        places: Each scene's place.
        parts: Each scene's folder.
        maps: The data set's folder `maps`; gets `expansion/<location>.json` and `<location>.png`.

    Returns:
        Numbers of the scenes of each town, from which the rows of the table `map` follow.
    """
    (maps / "expansion").mkdir(parents=True, exist_ok=True)
    towns = towns_of(places)
    for location, scenes in towns.items():
        own = [places[i] for i in scenes]
        folders = [parts[i] for i in scenes]
        join_scene_maps(folders, canvas_m(own), maps / "expansion" / f"{location}.json")
        join_tiles(folders, own, maps / f"{location}.png")
    return towns
