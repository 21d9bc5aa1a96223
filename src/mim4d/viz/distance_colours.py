"""The one colour scale of distances, in every picture: yellow is near, violet far, by logarithm.

The darkest end of the colour map is left out: as a dot over an image it drowns in shadows.
"""

from typing import Any

import numpy as np

from mim4d.viz.canvas import UNKNOWN

NEAREST_M, FARTHEST_M = 2.0, 80.0
DISTANCE_TICKS_M = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)


def distance_colours() -> Any:
    """The colour map; grey where nothing is known."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    shades = colormaps["viridis_r"](np.linspace(0.0, 0.93, 256))
    return ListedColormap(shades).with_extremes(bad=UNKNOWN)


def distance_norm() -> Any:
    """Metres to places on the colour map."""
    from matplotlib.colors import LogNorm

    return LogNorm(NEAREST_M, FARTHEST_M)
