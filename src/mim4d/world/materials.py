"""Albedo and gloss of objects at a point of their surface, as numba kernels.

Patterns live in the object's own axes, so they move with it, and have sizes in metres (bricks,
windows, planks, tiles), so that their size in an image tells how far they are.
"""

import math
from typing import no_type_check

from mim4d.world.kernels import kernel
from mim4d.world.noise import cell_hash, covered, flat_octave, octave, periodic

# Columns of the table of objects.
ORIGIN, TURN, SEED, COLOUR, SECOND_COLOUR, FORM = 0, 3, 5, 6, 9, 12
OBJECT_COLUMNS = 16
# FORM of a building: window pitch, floor height, share of the pitch that is window, style.
STYLE_PLASTER, STYLE_BRICK, STYLE_GLASS = 0, 1, 2


@kernel
@no_type_check
def object_albedo(material, objects, k, p, n, footprint, blur):
    """Linear RGB and gloss (0 to 1) of an object.

    Args (numba): material; the table of objects and the row; point `p` and unit normal `n` in its
    axes; the pixel's width on the surface across and along the view.
    """
    seed = int(objects[k, 5])
    r, g, b = objects[k, 6], objects[k, 7], objects[k, 8]
    if material == 1:
        return _facade(objects, k, p, n, footprint, blur)
    if material == 2:
        row = periodic(p[1] if abs(n[2]) > 0.99 else p[2], 0.35)
        tone = 1.0 + 0.5 * octave(p[0], p[1], p[2], 0.3, seed, blur)
        tone += 0.4 * octave(p[0], p[1], p[2], 2.0, seed, blur)
        tone *= 1.0 - 0.35 * covered(row, 0.04, blur)
        return objects[k, 9] * tone, objects[k, 10] * tone, objects[k, 11] * tone, 0.0
    if material == 3:
        dirt = max(0.0, 0.5 - p[2]) * 0.8 * (0.6 + octave(p[0], p[1], p[2], 0.2, seed, blur))
        dirt = min(max(dirt, 0.0), 0.6)
        gaps = covered(periodic(p[0] + 0.55, 1.1), 0.012, footprint) if abs(n[1]) > 0.7 else 0.0
        keep = (1.0 - dirt) * (1.0 - 0.6 * gaps)
        return r * keep + 0.12 * dirt, g * keep + 0.11 * dirt, b * keep + 0.09 * dirt, 0.7
    if material == 4:
        return 0.015, 0.02, 0.022, 1.0
    if material == 5:
        hub = p[2] > 0.2 and p[2] < 0.46
        tone = 0.02 + (0.05 if hub else 0.0)
        return tone, tone, tone, 0.1
    if material == 6:
        return 0.75, 0.75, 0.7, 0.6
    if material == 7:
        return 0.42, 0.02, 0.02, 0.5
    if material == 15:
        return 0.35, 0.22, 0.15, 0.0
    if material == 8:
        tone = 1.0 + 0.9 * octave(p[0], p[1], p[2], 0.045, seed, blur)
        tone += 1.0 * octave(p[0], p[1], p[2], 0.12, seed, blur)
        tone += 0.9 * octave(p[0], p[1], p[2], 0.45, seed, blur)
        tone += 0.5 * octave(p[0], p[1], p[2], 1.6, seed, blur)
        return r * tone, g * tone, b * tone, 0.0
    if material == 9:
        tone = 1.0 + 0.8 * octave(p[0] * 3.0, p[1] * 3.0, p[2], 0.15, seed, blur)
        return objects[k, 9] * tone, objects[k, 10] * tone, objects[k, 11] * tone, 0.0
    if material == 10:
        return _planks(objects, k, p, n, seed, footprint, blur)
    if material == 11:
        u = p[1] if abs(n[0]) > abs(n[1]) else p[0]
        tone = _bricks(u, p[2], seed, footprint, blur)
        return r * tone, g * tone, b * tone, 0.0
    if material == 12:
        return 0.24, 0.25, 0.26, 0.4
    if material == 13:
        tone = 1.0 + 0.3 * octave(p[0], p[1], p[2], 0.3, seed, blur)
        return objects[k, 9] * tone, objects[k, 10] * tone, objects[k, 11] * tone, 0.1
    if material == 14:
        rib = covered(periodic(p[0], 0.9), 0.03, footprint) if abs(n[1]) > 0.5 else 0.0
        if abs(p[2] - 2.1) < 0.35 and abs(n[2]) < 0.5:
            letters = octave(p[0], p[1], p[2], 0.3, seed, blur) > 0.08
            if letters:
                return objects[k, 9], objects[k, 10], objects[k, 11], 0.2
        tone = (1.0 - 0.4 * rib) * (1.0 + 0.25 * octave(p[0], p[1], p[2], 0.7, seed, blur))
        return r * tone, g * tone, b * tone, 0.2
    tone = 1.0 + 0.3 * octave(p[0], p[1], p[2], 0.08, seed, blur)
    tone += 0.3 * octave(p[0], p[1], p[2], 0.6, seed, blur)
    return r * tone, g * tone, b * tone, 0.0


@kernel
@no_type_check
def _bricks(u, v, seed, footprint, blur):
    """Tone of a wall of bricks 0.25 × 0.083 m, with patches of newer ones."""
    course = math.floor(v / 0.083)
    shift = 0.125 if course & 1 else 0.0
    brick = math.floor((u + shift) / 0.25)
    fade = min(max(1.5 - footprint / 0.1, 0.0), 1.0)
    tone = 1.0 + 0.55 * fade * (cell_hash(brick, course, 1, seed) - 0.5)
    joint = max(
        covered(periodic(v, 0.083), 0.007, footprint),
        covered(periodic(u + shift, 0.25), 0.007, footprint),
    )
    tone += 0.5 * joint
    tone += 0.35 * flat_octave(u, v, 0, 0.5, seed, blur) + 0.4 * flat_octave(
        u, v, 1, 2.2, seed, blur
    )
    return tone


@kernel
@no_type_check
def _planks(objects, k, p, n, seed, footprint, blur):
    u = p[1] if abs(n[0]) > abs(n[1]) else p[0]
    plank = math.floor(u / 0.14)
    fade = min(max(1.5 - footprint / 0.14, 0.0), 1.0)
    tone = 1.0 + 0.4 * fade * (cell_hash(plank, 0, 2, seed) - 0.5)
    tone *= 1.0 - 0.7 * covered(periodic(u, 0.14), 0.008, footprint)
    tone *= 1.0 - 0.4 * covered(periodic(u, 2.1), 0.06, footprint)
    tone += 0.4 * flat_octave(u * 4.0, p[2], 0, 0.4, seed, blur)
    return objects[k, 6] * tone, objects[k, 7] * tone, objects[k, 8] * tone, 0.0


@kernel
@no_type_check
def _facade(objects, k, p, n, footprint, blur):
    """A wall with storeys and windows; shop fronts or doors at street level."""
    seed, style = int(objects[k, 5]), int(objects[k, 15])
    r, g, b = objects[k, 6], objects[k, 7], objects[k, 8]
    along_y = abs(n[0]) > abs(n[1])
    u, v = (p[1] if along_y else p[0]), p[2]
    wall = (2 if along_y else 0) + (1 if (n[0] if along_y else n[1]) > 0.0 else 0)
    pitch, storey, share = objects[k, 12], objects[k, 13], objects[k, 14]
    column, level = math.floor(u / pitch), math.floor(v / storey)
    cu, cv = u - (column + 0.5) * pitch, v - (level + 0.52) * storey
    half_u, half_v = 0.5 * share * pitch, 0.29 * storey
    if style == 2:
        half_u, half_v = 0.5 * pitch - 0.06, 0.42 * storey
    if level == 0:
        if cell_hash(0, 0, wall, seed) < 0.5:  # shop fronts
            half_u, half_v, cv = 0.5 * pitch - 0.15, 0.40 * storey, v - 0.5 * storey
        elif cell_hash(column, wall, 3, seed) < 0.22:  # a door
            half_u, half_v, cv = 0.5, 1.1, v - 1.1
    wood = level == 0 and half_v == 1.1
    pane = covered(cu, half_u, footprint) * covered(cv, half_v, footprint)
    frame = covered(cu, half_u + 0.09, footprint) * covered(cv, half_v + 0.09, footprint)
    if style == 1:
        tone = _bricks(u, v, seed, footprint, blur)
    else:
        tone = 1.0 + 0.22 * flat_octave(u, v, 0, 0.1, seed, blur)
        tone += 0.3 * flat_octave(u, v, 1, 0.9, seed, blur)
    tone += 0.3 * flat_octave(u * 3.0, v * 0.6, 2, 1.5, seed, blur)  # streaks of rain
    tone *= 1.0 - 0.25 * math.exp(-1.5 * v)
    band = covered(periodic(v, storey), 0.09, footprint)
    r, g, b = r * tone, g * tone, b * tone
    r += (objects[k, 9] - r) * 0.75 * band
    g += (objects[k, 10] - g) * 0.75 * band
    b += (objects[k, 11] - b) * 0.75 * band
    edge = max(frame - pane, 0.0)
    r += (0.8 * objects[k, 9] + 0.1 - r) * edge
    g += (0.8 * objects[k, 10] + 0.1 - g) * edge
    b += (0.8 * objects[k, 11] + 0.1 - b) * edge
    look = cell_hash(column, level, wall, seed)
    bars = covered(periodic(cu, max(half_u, 0.3)), 0.025, footprint) * (0.0 if wood else 0.7)
    inside = 0.02 + 0.05 * look
    if look > 0.72 and not wood:  # curtains or blinds
        inside = 0.25 + 0.3 * (look - 0.72) - 0.1 * covered(periodic(v, 0.12), 0.02, footprint)
    glass_r, glass_g, glass_b = inside, inside, inside * 1.05
    if wood:
        glass_r, glass_g, glass_b = 0.1 + 0.3 * look, 0.05 + 0.5 * look * look, 0.05 + 0.1 * look
    glass_r += (0.45 - glass_r) * bars
    glass_g += (0.45 - glass_g) * bars
    glass_b += (0.43 - glass_b) * bars
    r += (glass_r - r) * pane
    g += (glass_g - g) * pane
    b += (glass_b - b) * pane
    gloss = 0.0 if wood else 0.8 * pane * (1.0 - bars)
    return r, g, b, gloss
