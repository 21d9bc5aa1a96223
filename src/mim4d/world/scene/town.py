"""Towns: where each scene lies in `global`, and the maps that the scenes of a town share.

The scenes of a split lie on a square grid of cells, `TOWN_SCENES` to a town; a town is a location
with one vector map and one raster. Which cell a scene gets depends on its split, its number and
its duration alone. Metres in `global`, whose origin is the town's lower left corner.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mim4d.world.streets.network import MARGIN_M
from mim4d.world.traffic.traffic import HIGHEST_SPEED

TOWN_SCENES = 24
ROWS = 5  # of cells in a town, and columns
# The official map reader opens these locations only; further towns are numbered.
OFFICIAL = (
    "boston-seaport",
    "singapore-onenorth",
    "singapore-queenstown",
    "singapore-hollandvillage",
)
HALF_STREET_M = 25.0  # half the width of the widest street with its sidewalks
GRAIN_M = 10.0  # cells are a multiple of this wide

Split = Literal["train", "val"]


@dataclass(frozen=True)
class Placement:
    """The cell of a town that a scene lies in.

    Attributes:
        location: The town, as `log.location` names it.
        column: Of the cell, from the left.
        row: Of the cell, from below.
        size_m: Width of a cell, the same in all towns of a data set.
    """

    location: str
    column: int
    row: int
    size_m: float

    @property
    def origin_m(self) -> tuple[float, float]:
        """Lower left corner of the cell in `global`."""
        return self.column * self.size_m, self.row * self.size_m

    def offset_m(
        self, low_m: Float[np.ndarray, "2"], high_m: Float[np.ndarray, "2"]
    ) -> Float[np.ndarray, "2"]:
        """Position of a scene's own origin in `global` that puts its extent into the cell's middle.

        Args:
            low_m: Least x and y of what the scene maps, in world axes.
            high_m: Largest x and y.

        Raises:
            ValueError: The extent is wider than a cell.
        """
        if (high_m - low_m).max() > self.size_m:
            raise ValueError(
                f"a scene of {(high_m - low_m).max():.0f} m does not fit into a cell of "
                f"{self.size_m:.0f} m of {self.location}"
            )
        return np.asarray(self.origin_m) + self.size_m / 2 - (low_m + high_m) / 2


def placement(split: Split, index: int, duration_s: float) -> Placement:
    """The cell of scene `index` of a split whose scenes all last `duration_s` seconds.

    Three of the first four towns are the training scenes', the fourth is the held-out scenes';
    further towns alternate. Cells fill up in squares, so that a town of few scenes is small.
    """
    block, cell = divmod(index, TOWN_SCENES)
    training = block + 1 if block < 3 else 2 * block - 1
    number = training if split == "train" else 2 * block + 4
    location = OFFICIAL[number - 1] if number <= len(OFFICIAL) else f"mim4d-town-{number}"
    places = sorted(
        ((column, row) for row in range(ROWS) for column in range(ROWS)),
        key=lambda at: (max(at), at[1], at[0]),
    )
    return Placement(location, *places[cell], cell_size_m(duration_s))


def cell_size_m(duration_s: float) -> float:
    """Width of a cell that holds the streets of any scene that lasts `duration_s` seconds."""
    way = HIGHEST_SPEED * duration_s + 2 * MARGIN_M + 2 * HALF_STREET_M
    return math.ceil(way / GRAIN_M) * GRAIN_M


def canvas_m(places: list[Placement]) -> tuple[float, float]:
    """Width and height of a town that holds these cells."""
    columns = max(place.column for place in places) + 1
    rows = max(place.row for place in places) + 1
    return columns * places[0].size_m, rows * places[0].size_m


def towns_of(places: list[Placement]) -> dict[str, list[int]]:
    """Numbers of the scenes of each town, given all scenes' places in order."""
    towns: dict[str, list[int]] = {}
    for index, place in enumerate(places):
        towns.setdefault(place.location, []).append(index)
    return towns
