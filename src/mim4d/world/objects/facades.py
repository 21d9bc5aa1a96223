"""Walls of buildings: storeys, windows, shops, doors; bricks, plaster, panels, boards, sheet metal.

Numba kernels; spots are in the building's axes (metres), colours linear RGB.
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
    periodic,
    within,
)
from mim4d.world.kernels.spots import (
    COLOUR,
    PITCH,
    SECOND_COLOUR,
    STOREY,
    STYLE,
    WINDOW,
    Finish,
    along,
    colour_of,
    mixed,
    scaled,
)

STYLES = range(6)
PLASTER, BRICK, CURTAIN_WALL, PANEL, BOARDS, SHEET = STYLES
PANE, SHOP, DOOR, BLIND = range(4)  # what an opening is
BRICK_M, COURSE_M = 0.25, 0.083
SHOP_SHARE, DOOR_SHARE, LIT_SHARE, SHUTTER_SHARE = 0.5, 0.22, 0.45, 0.45


@kernel
@no_type_check
def bricks(u, v, spot):
    """Tone of a wall of bricks, with patches of newer ones."""
    course = math.floor(v / COURSE_M)
    shift = 0.5 * BRICK_M if course & 1 else 0.0
    brick = math.floor((u + shift) / BRICK_M)
    tone = 1.0 + 0.55 * detail(0.1, spot.footprint) * (cell_hash(brick, course, 1, spot.seed) - 0.5)
    joint = max(
        covered(periodic(v, COURSE_M), 0.007, spot.footprint),
        covered(periodic(u + shift, BRICK_M), 0.007, spot.footprint),
    )
    tone += 0.5 * joint
    tone += 0.35 * flat_octave(u, v, 0, 0.5, spot.seed, spot.blur)
    return tone + 0.4 * flat_octave(u, v, 1, 2.2, spot.seed, spot.blur)


@kernel
@no_type_check
def boards(u, width, spot):
    """Tone of boards side by side along u."""
    board = math.floor(u / width)
    tone = 1.0 + 0.4 * detail(width, spot.footprint) * (cell_hash(board, 0, 2, spot.seed) - 0.5)
    return tone * (1.0 - 0.7 * covered(periodic(u, width), 0.008, spot.footprint))


@kernel
@no_type_check
def _wall_tone(style, u, v, pitch, storey, spot):
    """Tone of the bare wall, by style."""
    if style == BRICK:
        return bricks(u, v, spot)
    tone = 1.0 + 0.22 * flat_octave(u, v, 0, 0.1, spot.seed, spot.blur)
    tone += 0.3 * flat_octave(u, v, 1, 0.9, spot.seed, spot.blur)
    if style == PANEL:
        panel = cell_hash(math.floor(u / pitch), math.floor(v / storey), 4, spot.seed)
        joint = covered(periodic(u, pitch), 0.02, spot.footprint)
        joint = max(joint, covered(periodic(v, storey), 0.02, spot.footprint))
        tone = (tone + 0.2 * (panel - 0.5)) * (1.0 - 0.5 * joint)
    elif style == BOARDS:
        tone *= boards(v, 0.16, spot)
    elif style == SHEET:
        wave = math.cos(u * (2.0 * math.pi / 0.3))
        tone *= 1.0 + 0.22 * wave * detail(0.15, spot.footprint)
        tone *= 1.0 - 0.3 * covered(periodic(v, 2.4), 0.02, spot.footprint)
    return tone


@kernel
@no_type_check
def _opening(objects, k, spot, wall, column, level):
    """Half width, half height and middle height of a column's opening, and what it is."""
    pitch, storey, style = objects[k, PITCH], objects[k, STOREY], int(objects[k, STYLE])
    if style == SHEET:
        if level == 0:
            gate = cell_hash(column // 2, wall, 3, spot.seed) < 0.3
            return 0.5 * pitch, 0.45 * storey, 0.45 * storey, DOOR if gate else BLIND
        return 0.5 * pitch - 0.1, 0.16 * storey, (level + 0.66) * storey, PANE
    if level == 0 and style != BOARDS and cell_hash(0, 0, wall, spot.seed) < SHOP_SHARE:
        return 0.5 * pitch - 0.15, 0.38 * storey, 0.42 * storey, SHOP
    if level == 0 and cell_hash(column, wall, 3, spot.seed) < DOOR_SHARE:
        return 0.5, 1.1, 1.1, DOOR
    if style == CURTAIN_WALL:
        return 0.5 * pitch - 0.06, 0.42 * storey, (level + 0.52) * storey, PANE
    tall = 0.24 + 0.09 * cell_hash(1, 0, 5, spot.seed)
    return 0.5 * objects[k, WINDOW] * pitch, tall * storey, (level + 0.5) * storey, PANE


@kernel
@no_type_check
def _door(look, spot, cv):
    """Wood or paint with panels."""
    colour = (0.1 + 0.3 * look, 0.05 + 0.5 * look * look, 0.05 + 0.1 * look)
    return scaled(colour, 1.0 - 0.4 * covered(periodic(cv, 0.7), 0.03, spot.footprint))


@kernel
@no_type_check
def _pane(look, shop, spot, cu, cv):
    """Colour and glow behind a window."""
    if look < LIT_SHARE * spot.lamps or (shop and spot.lamps > 0.0):
        warm = 0.35 + 0.9 * cell_hash(int(look * 4096.0), 1, 6, spot.seed)
        body = flat_octave(cu * 2.0, cv, 3, 0.5, spot.seed + int(64.0 * look), spot.blur)
        return scaled((0.5, 0.36, 0.19), 1.0 + body), warm
    inside = 0.02 + 0.05 * look
    if shop:
        goods = flat_octave(cu, cv, 3, 0.35, spot.seed + int(64.0 * look), spot.blur)
        tone = inside + (0.25 * max(goods, 0.0) if cv < 0.0 else 0.0)
        return (tone * (0.7 + 0.6 * look), tone, tone * (1.3 - 0.6 * look)), 0.0
    if look > 0.72:  # curtains, or blinds partly down
        down = look > 0.86 or cv > -0.4 + 3.0 * (look - 0.72)
        slats = 0.1 * covered(periodic(cv, 0.12), 0.02, spot.footprint)
        inside = 0.25 + 0.3 * (look - 0.72) - slats if down else inside
    return (inside, inside, inside * 1.05), 0.0


@kernel
@no_type_check
def _shop_band(colour, objects, k, u, v, wall, spot):
    """The sign above the shops, its writing lit at dusk."""
    storey = objects[k, STOREY]
    band = within(v, 0.82 * storey, 0.99 * storey, spot.footprint)
    if band <= 0.0:
        return Finish(colour, 0.0, 0.0)
    shop = math.floor(u / (3.0 * objects[k, PITCH]))
    a, b = cell_hash(shop, wall, 20, spot.seed), cell_hash(shop, wall, 21, spot.seed)
    c = cell_hash(shop, wall, 22, spot.seed)
    sign = (0.05 + 0.5 * a * a, 0.05 + 0.45 * b * b, 0.05 + 0.5 * c * c)
    ink = glyphs(u, v - 0.85 * storey, 0.12 * storey, spot.seed + shop, spot.footprint)
    light = (0.75, 0.7, 0.6) if a + b + c < 1.7 else (0.04, 0.04, 0.05)
    sign = mixed(sign, light, ink)
    return Finish(mixed(colour, sign, band), 0.0, 0.5 * band * spot.lamps)


@kernel
@no_type_check
def _bare_wall(objects, k, spot, u):
    """The wall between its openings: its stuff, streaks of rain, storey bands, plinth."""
    style, storey = int(objects[k, STYLE]), objects[k, STOREY]
    v, fine = spot.z, spot.footprint
    tone = _wall_tone(style, u, v, objects[k, PITCH], storey, spot)
    tone += 0.3 * flat_octave(u * 3.0, v * 0.6, 2, 1.5, spot.seed, spot.blur)
    tone *= 1.0 - 0.3 * max(1.0 - v, 0.0) ** 2
    trim = colour_of(objects, k, SECOND_COLOUR)
    colour = scaled(colour_of(objects, k, COLOUR), max(tone, 0.1))
    if style != SHEET:
        colour = mixed(colour, trim, 0.75 * covered(periodic(v, storey), 0.09, fine))
        colour = mixed(colour, scaled(trim, 0.6), 0.6 * within(v, 0.0, 0.5, fine))
    return colour


@kernel
@no_type_check
def _shutters(colour, trim, spot, at, halves):
    """Slatted shutters beside a window over the wall's colour."""
    fine = spot.footprint
    beside = covered(abs(at[0]) - 1.4 * halves[0], 0.35 * halves[0], fine)
    slats = 1.0 - 0.35 * covered(periodic(at[1], 0.1), 0.02, fine)
    return mixed(colour, scaled(trim, slats), beside * covered(at[1], halves[1], fine))


@kernel
@no_type_check
def facade(objects, k, spot):
    """Finish of a building's wall."""
    style, pitch, storey = int(objects[k, STYLE]), objects[k, PITCH], objects[k, STOREY]
    u, v, fine = along(spot), spot.z, spot.footprint
    sideways = abs(spot.nx) > abs(spot.ny)
    wall = (2 if sideways else 0) + (1 if (spot.nx if sideways else spot.ny) > 0.0 else 0)
    column, level = math.floor(u / pitch), math.floor(v / storey)
    half_u, half_v, middle, sort = _opening(objects, k, spot, wall, column, level)
    cu, cv = u - (column + 0.5) * pitch, v - middle
    look = cell_hash(column, level, wall, spot.seed)
    pane = covered(cu, half_u, fine) * covered(cv, half_v, fine) if sort != BLIND else 0.0
    colour, glow = (0.0, 0.0, 0.0), 0.0
    if pane < 1.0:
        colour = _bare_wall(objects, k, spot, u)
        if sort == SHOP:
            band = _shop_band(colour, objects, k, u, v, wall, spot)
            colour, glow = band.colour, band.glow
        if sort == BLIND:
            return Finish(colour, 0.0, 0.0)
        trim = colour_of(objects, k, SECOND_COLOUR)
        shutters = style == PLASTER and cell_hash(0, 1, 7, spot.seed) < SHUTTER_SHARE
        if sort == PANE and shutters and look > 0.1:
            colour = _shutters(colour, trim, spot, (cu, cv), (half_u, half_v))
        frame = covered(cu, half_u + 0.09, fine) * covered(cv, half_v + 0.09, fine)
        colour = mixed(colour, mixed(trim, (0.5, 0.5, 0.5), 0.2), max(frame - pane, 0.0))
        sill = covered(cu, half_u + 0.15, fine) * covered(cv + half_v + 0.12, 0.05, fine)
        colour = mixed(colour, (0.45, 0.44, 0.42), 0.8 * sill * (sort == PANE))
        if pane == 0.0:
            return Finish(colour, 0.0, glow)
    if sort == DOOR:
        return Finish(mixed(colour, _door(look, spot, cv), pane), 0.0, 0.0)
    behind, lit = _pane(look, sort == SHOP, spot, cu, cv)
    bars = 0.8 * covered(periodic(cu, max(half_u, 0.3)), 0.025, fine)
    behind = mixed(behind, (0.45, 0.45, 0.43), bars)
    glow += (lit * (1.0 - bars) - glow) * pane
    return Finish(mixed(colour, behind, pane), 0.8 * pane * (1.0 - bars), glow)
