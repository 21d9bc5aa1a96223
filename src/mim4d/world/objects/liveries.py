"""Surfaces of vehicles, clothes, signs and barriers: paint, lettering, stripes, reflective bands.

Numba kernels; spots are in the object's axes (metres), colours linear RGB.
"""

import math
from typing import no_type_check

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import (
    cell_hash,
    covered,
    detail,
    flat_octave,
    glyphs,
    octave,
    periodic,
    within,
)
from mim4d.world.kernels.spots import (
    COLOUR,
    SECOND_COLOUR,
    Finish,
    along,
    colour_of,
    grain,
    mixed,
    scaled,
)

WHITE, BLACK, RED = (0.72, 0.72, 0.7), (0.015, 0.015, 0.017), (0.5, 0.03, 0.025)
DIRT = (0.12, 0.11, 0.09)
ORANGE, LIME = (0.78, 0.16, 0.02), (0.55, 0.72, 0.03)


@kernel
@no_type_check
def dirtied(colour, spot):
    """A colour with the road's dirt towards the ground."""
    dirt = max(0.0, 0.6 - spot.z) * 0.9 * (0.7 + grain(spot, 0.2) + 0.8 * grain(spot, 0.9))
    return mixed(colour, DIRT, min(max(dirt, 0.0), 0.6))


@kernel
@no_type_check
def paint(objects, k, spot):
    """Car paint: gaps of doors and lids, handles, a swage line, dirt."""
    fine = spot.footprint
    colour = scaled(colour_of(objects, k, COLOUR), 1.0 + 0.12 * grain(spot, 0.5))
    if abs(spot.ny) > 0.6:
        gap = covered(periodic(spot.x + 0.5, 1.05), 0.012, fine) * within(spot.z, 0.3, 1.6, fine)
        gap = max(gap, covered(spot.z - 0.32, 0.012, fine))
        handle = covered(periodic(spot.x + 0.2, 1.05), 0.09, fine)
        handle *= covered(spot.z - 0.82, 0.018, fine)
        swage = covered(spot.z - 0.68, 0.02, fine)
        colour = scaled(colour, (1.0 - 0.75 * max(gap, 0.8 * handle)) * (1.0 - 0.2 * swage))
    elif abs(spot.nz) > 0.6:
        gap = covered(abs(spot.y) - 0.62, 0.012, fine)
        colour = scaled(colour, 1.0 - 0.6 * gap)
    else:
        gap = covered(spot.z - 0.5, 0.012, fine)
        colour = scaled(colour, 1.0 - 0.6 * gap)
    return Finish(dirtied(colour, spot), 0.7, 0.0)


@kernel
@no_type_check
def livery(objects, k, spot):
    """A bus's or van's paint: a sweep of the second colour, a line of writing, flaps."""
    fine = spot.footprint
    colour, second = colour_of(objects, k, COLOUR), colour_of(objects, k, SECOND_COLOUR)
    form = cell_hash(0, 0, 9, spot.seed)
    if abs(spot.nz) < 0.6:
        sweep = spot.z - 0.55 - 1.2 * form - 0.16 * spot.x * (form - 0.5)
        band = covered(sweep, 0.12 + 0.3 * form, fine)
        if form < 0.4:
            band = min(max((0.3 * spot.x - spot.z + 1.0) / (fine + 0.02), 0.0), 1.0)
        colour = mixed(colour, second, band)
        ink = glyphs(along(spot), spot.z - 2.5, 0.22, spot.seed, fine)
        ink = max(ink, glyphs(along(spot) + 0.4, spot.z - 0.85, 0.3, spot.seed + 1, fine) * 0.9)
        light = second[0] + second[1] + second[2] < 0.9
        colour = mixed(colour, WHITE if light else BLACK, ink)
        gap = covered(periodic(spot.x, 1.45), 0.012, fine)
        gap = max(gap, covered(spot.z - 0.95, 0.01, fine))
        colour = scaled(colour, 1.0 - 0.55 * gap)
    tone = 1.0 + 0.2 * grain(spot, 0.8) + 0.1 * grain(spot, 0.15)
    return Finish(dirtied(scaled(colour, tone), spot), 0.55, 0.0)


@kernel
@no_type_check
def cargo(objects, k, spot):
    """Sheet sides of a cargo body: ribs, a big name, a smaller line, rivets, hazard marks."""
    fine = spot.footprint
    colour, second = colour_of(objects, k, COLOUR), colour_of(objects, k, SECOND_COLOUR)
    tone = 1.0 + 0.25 * grain(spot, 0.7) + 0.15 * grain(spot, 0.15)
    if abs(spot.nz) > 0.5:
        return Finish(scaled(colour, tone * 0.8), 0.1, 0.0)
    u = along(spot)
    form = cell_hash(1, 0, 9, spot.seed)
    if form < 0.35:
        wedge = 0.5 * u + (spot.z - 2.2) - 1.5 * (form - 0.17)
        colour = mixed(colour, scaled(second, 0.7), min(max(wedge / (fine + 0.02), 0.0), 1.0))
    elif form < 0.6:
        colour = mixed(colour, second, within(spot.z, 1.2, 1.55, fine))
    tone *= 1.0 - 0.35 * covered(periodic(u, 0.9), 0.02, fine)
    size = 0.5 + 0.5 * form
    ink = glyphs(u, spot.z - 1.9, size, spot.seed, fine) * within(u, -2.6, 2.6, fine)
    ink = max(ink, glyphs(u, spot.z - 1.62, 0.17, spot.seed + 1, fine))
    name = second if form > 0.35 else WHITE
    colour = scaled(mixed(colour, name, 0.9 * ink), tone)
    stripe = covered(periodic(u, 1.2), 0.3, fine) * covered(spot.z - 1.08, 0.045, fine)
    return Finish(dirtied(mixed(colour, RED, stripe), spot), 0.2, 0.0)


@kernel
@no_type_check
def curtain(objects, k, spot):
    """A tarpaulin with straps and folds, and a name."""
    fine = spot.footprint
    colour = colour_of(objects, k, COLOUR)
    u = along(spot)
    fold = 0.13 * math.sin(9.0 * u + 3.0 * grain(spot, 1.3)) * detail(0.35, spot.blur)
    tone = 1.0 + fold + 0.25 * grain(spot, 0.5)
    strap = covered(periodic(u, 0.62), 0.025, fine) * (abs(spot.nz) < 0.5)
    ink = glyphs(u, spot.z - 2.1, 0.8, spot.seed, fine) * within(u, -3.2, 3.2, fine)
    colour = mixed(colour, colour_of(objects, k, SECOND_COLOUR), ink)
    return Finish(scaled(mixed(colour, BLACK, 0.6 * strap), tone), 0.06, 0.0)


@kernel
@no_type_check
def plate(spot):
    """A number plate."""
    ink = glyphs(spot.y, periodic(spot.z, 0.12) + 0.045, 0.09, spot.seed, spot.footprint)
    return Finish(mixed((0.7, 0.68, 0.5), BLACK, ink), 0.2, 0.0)


@kernel
@no_type_check
def rim(spot):
    """Light-alloy or steel: spokes as dark gaps."""
    star = math.sin(14.0 * spot.x + 3.0) * math.sin(14.0 * spot.z)
    gap = min(max(3.0 * star, 0.0), 1.0) * detail(0.12, spot.footprint)
    tone = (0.12 + 0.3 * cell_hash(2, 0, 9, spot.seed)) * (1.0 - 0.75 * gap)
    return Finish((tone, tone, tone * 1.03), 0.35, 0.0)


@kernel
@no_type_check
def hazard(spot, first, second, width):
    """Slanting stripes of two colours."""
    slant = covered(periodic(along(spot) + spot.z, 2.0 * width), 0.5 * width, spot.footprint)
    worn = 1.0 + 0.25 * grain(spot, 0.2) + 0.2 * grain(spot, 0.06)
    return Finish(scaled(mixed(first, second, slant), worn), 0.15, 0.0)


@kernel
@no_type_check
def barrier_face(objects, k, spot):
    """Barriers: bands or slanting stripes in red and white, yellow and black, or the look's own."""
    form = cell_hash(3, 0, 9, spot.seed)
    first, second = colour_of(objects, k, COLOUR), colour_of(objects, k, SECOND_COLOUR)
    if form < 0.5:
        return hazard(spot, first, second, 0.22)
    band = covered(periodic(spot.z - 0.2, 0.45), 0.1, spot.footprint)
    worn = 1.0 + 0.25 * grain(spot, 0.2) + 0.15 * grain(spot, 0.05)
    return Finish(scaled(mixed(first, second, band), worn), 0.12, 0.0)


@kernel
@no_type_check
def cone(objects, k, spot):
    """Orange with one or two reflective bands."""
    fine = spot.footprint
    band = within(spot.z, 0.36, 0.5, fine)
    if cell_hash(4, 0, 9, spot.seed) < 0.6:
        band = max(band, within(spot.z, 0.58, 0.66, fine))
    worn = 1.0 + 0.3 * grain(spot, 0.12) + 0.25 * grain(spot, 0.04)
    return Finish(scaled(mixed(colour_of(objects, k, COLOUR), WHITE, band), worn), 0.1, 0.0)


@kernel
@no_type_check
def cloth(objects, k, spot):
    """A jacket: plain, striped or two-tone, with folds and a zip."""
    fine = spot.footprint
    colour = colour_of(objects, k, COLOUR)
    second = colour_of(objects, k, SECOND_COLOUR)
    form = cell_hash(5, 0, 9, spot.seed)
    if form < 0.2:
        colour = mixed(colour, second, covered(periodic(spot.z, 0.12), 0.03, fine))
    elif form < 0.4:
        light = scaled(mixed(colour, WHITE, 0.5), 0.9)
        colour = mixed(colour, light, within(spot.z, 1.22, 1.6, fine))
    elif form < 0.5:
        check = covered(periodic(spot.z, 0.16), 0.04, fine)
        colour = mixed(
            colour, second, max(check, covered(periodic(spot.y, 0.16), 0.04, fine)) * 0.7
        )
    zipped = covered(spot.y, 0.012, fine) * (spot.nx > 0.3)
    folds = 1.0 + 0.5 * octave(spot.x, spot.y, 0.5 * spot.z, 0.09, spot.seed, spot.blur)
    return Finish(
        scaled(mixed(colour, BLACK, 0.6 * zipped), folds + 0.3 * grain(spot, 0.3)), 0.0, 0.0
    )


@kernel
@no_type_check
def vest(objects, k, spot):
    """A worker's high-visibility vest with reflective bands."""
    colour = ORANGE if cell_hash(6, 0, 9, spot.seed) < 0.5 else LIME
    fine = spot.footprint
    band = max(within(spot.z, 1.05, 1.11, fine), within(spot.z, 1.22, 1.28, fine))
    band = max(band, covered(abs(spot.y) - 0.11, 0.025, fine) * (spot.z > 1.25))
    folds = 1.0 + 0.4 * grain(spot, 0.1) + 0.2 * grain(spot, 0.3)
    return Finish(scaled(mixed(colour, (0.6, 0.62, 0.6), band), folds), 0.05, 0.0)


@kernel
@no_type_check
def sign(objects, k, spot):
    """A traffic sign's plate: a coloured rim, a light field, a dark symbol; grey from behind."""
    if spot.nx < 0.5:
        return Finish((0.2, 0.2, 0.21), 0.2, 0.0)
    fine = spot.footprint
    second = colour_of(objects, k, SECOND_COLOUR)
    u, v = periodic(spot.y, 0.9), periodic(spot.z - 2.1, 0.9)
    inner = covered(u, 0.23, fine) * covered(v, 0.23, fine)
    cell = cell_hash(math.floor(abs(u) / 0.06), math.floor(v / 0.06), 8, spot.seed) < 0.5
    ink = cell * covered(u, 0.15, fine) * covered(v, 0.16, fine) * detail(0.06, fine)
    return Finish(mixed(mixed(second, WHITE, inner), BLACK, ink), 0.2, 0.0)


@kernel
@no_type_check
def signal(spot):
    """A traffic light's face: three lamps under each other, one of them lit."""
    housing = (0.02, 0.02, 0.02)
    if spot.nx < 0.5:
        return Finish(housing, 0.1, 0.0)
    at = math.floor((spot.z - 2.1) / 0.3)
    v = spot.z - 2.1 - 0.3 * (at + 0.5)
    lens = math.sqrt(spot.y * spot.y + v * v) < 0.11
    if not lens:
        return Finish(housing, 0.1, 0.0)
    lit = int(2.999 * cell_hash(7, 0, 9, spot.seed)) == at
    colour = (0.02, 0.7, 0.25) if at == 0 else ((0.8, 0.4, 0.02) if at == 1 else (0.8, 0.03, 0.02))
    return Finish(colour if lit else scaled(colour, 0.08), 0.2, 2.0 if lit else 0.0)


@kernel
@no_type_check
def poster(objects, k, spot):
    """A poster: fields of colour, a picture of lumps, a headline; lit at dusk."""
    fine = spot.footprint
    colour, second = colour_of(objects, k, COLOUR), colour_of(objects, k, SECOND_COLOUR)
    u = along(spot)
    lump = flat_octave(u, spot.z, 0, 0.45, spot.seed, fine)
    lump += flat_octave(u, spot.z, 0, 1.1, spot.seed, fine)
    field = colour if lump > 0.08 else second
    field = mixed(field, WHITE, 0.6 if lump < -0.25 else 0.0)
    field = scaled(field, 1.0 + 0.5 * flat_octave(u, spot.z, 0, 0.12, spot.seed, fine))
    ink = glyphs(u, spot.z - 1.7, 0.3, spot.seed, fine)
    ink = max(ink, glyphs(u, spot.z - 1.45, 0.13, spot.seed + 1, fine))
    return Finish(mixed(field, BLACK if lump < 0.1 else WHITE, ink), 0.2, 0.35 * spot.lamps)
