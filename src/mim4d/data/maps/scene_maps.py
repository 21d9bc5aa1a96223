"""The vector map of every scene: each location is opened once, however many scenes lie in it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float64
from torch import Tensor

from mim4d.data.maps.map_patch import Bounds, Length, MapPatch
from mim4d.data.maps.vector_map import REACH, VectorMap, centred, map_file
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import MissingMapError

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneMaps:
    """Maps by location, and the location of every scene.

    Attributes:
        locations: Location of each scene that is in use, by its row.
        maps: The map of each location.
        bounds_m: The rectangle of `ref` that patches show.
    """

    locations: Mapping[int, str]
    maps: Mapping[str, VectorMap]
    bounds_m: Bounds

    @classmethod
    def open(
        cls,
        tables: NuscenesTables,
        scenes: list[int],
        range_m: tuple[Length, Length],
        cache_dir: Path | None = None,
    ) -> "SceneMaps":
        """Open the maps of the given scenes.

        Args:
            tables: The data set.
            scenes: Rows of the scenes.
            range_m: Length along x and width along y of what patches show, centred on the car.
            cache_dir: Where to keep the geometries.

        Raises:
            DataError: If a scene's map is missing or not valid.
            ValueError: If the range is not positive.
        """
        if not min(range_m) > 0:
            raise ValueError(f"map_range_m is {range_m}; expected a positive length and width")
        locations = {scene: location_of(tables, scene) for scene in scenes}
        for scene, location in locations.items():
            path = map_file(tables.root, location)
            if not path.is_file():
                name = tables.scene(scene).name
                raise MissingMapError(
                    f"scene {name}, location {location or 'unknown'!r}: its map {path} was not "
                    f"found; put the map expansion into {path.parent}, or ask for no map"
                )
        maps = {
            location: VectorMap.open(tables.root, location, cache_dir)
            for location in sorted(set(locations.values()))
        }
        return cls(locations, maps, centred(*range_m))

    def patch(
        self, scene: int, global_from_ref: Float64[Tensor, "4 4"], reach: float = REACH
    ) -> MapPatch:
        """The map of a scene around a pose, read at least as far as is usual."""
        map_ = self.maps[self.locations[scene]]
        return map_.patch(global_from_ref, self.bounds_m, max(reach, REACH))


def location_of(tables: NuscenesTables, scene: int) -> str:
    """Where a scene was recorded, as the table `log` says; empty if it does not."""
    return str(tables.column("log", "location")[tables.scene(scene).log].decode())


def has_maps(tables: NuscenesTables) -> bool:
    """Whether every scene's location has a map file; where only some have, the log says so."""
    locations = {location_of(tables, scene) for scene in range(len(tables.scene_names))}
    missing = sorted(p for p in locations if not map_file(tables.root, p).is_file())
    if 0 < len(missing) < len(locations):
        _LOGGER.warning("%s: no map of %s: none is used", tables.root, ", ".join(missing))
    return not missing
