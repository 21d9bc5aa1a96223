"""What the shading kernels know of a point on a surface, and what they say of its finish.

The table of objects has a row per object and the columns named here. Colours are linear RGB
triples. A `Spot` is in the object's own axes, metres.
"""

from typing import NamedTuple, no_type_check

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import flat_octave, octave

# Columns of the table of objects: place, heading, seed; then the look: two colours and the form.
X, Y, Z, COS, SIN, SEED, COLOUR, SECOND_COLOUR, FORM = 0, 1, 2, 3, 4, 5, 6, 9, 12
OBJECT_COLUMNS = 16
# FORM of a building: window pitch, storey height, share of the pitch that is window, style.
PITCH, STOREY, WINDOW, STYLE = FORM, FORM + 1, FORM + 2, FORM + 3


class Spot(NamedTuple):
    """A point of a surface.

    Attributes:
        x: Forward.
        y: Left.
        z: Up.
        nx: The unit normal.
        ny: The same.
        nz: The same.
        footprint: Width of a pixel on the surface, metres.
        blur: Its length along the view, which finest detail fades by.
        seed: The object's.
        lamps: How far lamps are lit, 0 (day) to 1.
    """

    x: float
    y: float
    z: float
    nx: float
    ny: float
    nz: float
    footprint: float
    blur: float
    seed: int
    lamps: float


class Finish(NamedTuple):
    """What a surface is like at a spot.

    Attributes:
        colour: Albedo.
        gloss: Strength of mirror images, 0 to 1.
        glow: Light it gives off by itself, as a multiple of its albedo.
    """

    colour: tuple[float, float, float]
    gloss: float
    glow: float


@kernel
@no_type_check
def colour_of(objects, k, column):
    """One of an object's colours."""
    return (objects[k, column], objects[k, column + 1], objects[k, column + 2])


@kernel
@no_type_check
def scaled(colour, tone):
    """A colour made darker or lighter."""
    return (colour[0] * tone, colour[1] * tone, colour[2] * tone)


@kernel
@no_type_check
def mixed(colour, other, share):
    """`share` of the other colour over this one."""
    return (
        colour[0] + (other[0] - colour[0]) * share,
        colour[1] + (other[1] - colour[1]) * share,
        colour[2] + (other[2] - colour[2]) * share,
    )


@kernel
@no_type_check
def along(spot):
    """Coordinate along a wall: y on faces that look along x, else x."""
    return spot.y if abs(spot.nx) > abs(spot.ny) else spot.x


@kernel
@no_type_check
def grain(spot, cell):
    """Noise of cells of this size on a flat face, in [-0.5, 0.5]."""
    if abs(spot.nz) > 0.6:
        return flat_octave(spot.x, spot.y, 0, cell, spot.seed, spot.blur)
    return flat_octave(along(spot), spot.z, 0, cell, spot.seed, spot.blur)


@kernel
@no_type_check
def lumps(spot, cell):
    """Noise of cells of this size around a spot of a round thing, in [-0.5, 0.5]."""
    return octave(spot.x, spot.y, spot.z, cell, spot.seed, spot.blur)


@kernel
@no_type_check
def matt(colour, tone):
    """A finish without gloss or glow."""
    return Finish(scaled(colour, max(tone, 0.0)), 0.0, 0.0)
