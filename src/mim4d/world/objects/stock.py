"""The shapes a scene has in stock: as in a real street, models come again in other colours.

Building a mesh costs a millisecond or two and a busy scene holds hundreds of objects, so each kind
has a few shapes per scene, built when first wanted; colours are drawn anew for every object.
"""

from dataclasses import replace

import numpy as np

from mim4d.world.objects.catalogue import KINDS, Kind, Specimen, look_of, specimen

SHAPES, MORE_SHAPES = 7, 14
VARIED: tuple[Kind, ...] = ("car", "walker", "stander", "tree")


class Stock:
    """Shapes of one scene.

    A shape depends on the stock's seed, its kind and its number alone, so that who draws first
    changes nothing.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._shapes: dict[tuple[Kind, int], Specimen] = {}

    def draw(self, kind: Kind, rng: np.random.Generator) -> Specimen:
        """One of a kind: a shape of this scene, and colours of its own."""
        number = int(rng.integers(MORE_SHAPES if kind in VARIED else SHAPES))
        shape = self._shapes.get((kind, number))
        if shape is None:
            own = np.random.default_rng((self._seed, KINDS.index(kind), number))
            shape = self._shapes[kind, number] = specimen(kind, own)
        return replace(shape, look=look_of(kind, rng))
