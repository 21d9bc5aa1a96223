"""Colour, gloss and glow of objects at a spot of their surface, by material, as numba kernels.

Patterns live in the object's own axes, so they move with it, and have sizes in metres (bricks,
windows, planks, tiles), so that their size in an image tells how far they are.
"""

from typing import no_type_check

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import covered, flat_octave, octave, periodic
from mim4d.world.kernels.spots import (
    COLOUR,
    SECOND_COLOUR,
    Finish,
    along,
    colour_of,
    grain,
    lumps,
    matt,
    scaled,
)
from mim4d.world.objects.facades import boards, bricks, facade
from mim4d.world.objects.liveries import (
    RED,
    WHITE,
    barrier_face,
    cargo,
    cloth,
    cone,
    curtain,
    hazard,
    livery,
    paint,
    plate,
    poster,
    rim,
    sign,
    signal,
    vest,
)
from mim4d.world.objects.meshes import Material

SECOND, FACADE, ROOF = int(Material.SECOND), int(Material.FACADE), int(Material.ROOF)
FOLIAGE, BARK, PLANKS = int(Material.FOLIAGE), int(Material.BARK), int(Material.PLANKS)
MASONRY, METAL, CONCRETE = int(Material.MASONRY), int(Material.METAL), int(Material.CONCRETE)
SOIL, PAINT, LIVERY = int(Material.SOIL), int(Material.PAINT), int(Material.LIVERY)
CARGO, CURTAIN, GLASS = int(Material.CARGO), int(Material.CURTAIN), int(Material.GLASS)
RUBBER, TRIM, RIM = int(Material.RUBBER), int(Material.TRIM), int(Material.RIM)
PLATE, HEADLIGHT = int(Material.PLATE), int(Material.HEADLIGHT)
TAILLIGHT, LAMP, SKIN = int(Material.TAILLIGHT), int(Material.LAMP), int(Material.SKIN)
HAIR, CLOTH, TROUSERS = int(Material.HAIR), int(Material.CLOTH), int(Material.TROUSERS)
VEST, CONE, STRIPES = int(Material.VEST), int(Material.CONE), int(Material.STRIPES)
SIGN, SIGNAL, POSTER = int(Material.SIGN), int(Material.SIGNAL), int(Material.POSTER)
HAZARD = int(Material.HAZARD)


@kernel
@no_type_check
def object_finish(material, objects, k, spot):
    """Finish of an object: its material, the table of objects and its row there, the spot."""
    finish = _finish(material, objects, k, spot)
    r, g, b = finish.colour
    return Finish(
        (min(max(r, 0.0), 1.0), min(max(g, 0.0), 1.0), min(max(b, 0.0), 1.0)),
        finish.gloss,
        finish.glow,
    )


@kernel
@no_type_check
def _finish(material, objects, k, spot):
    """By material, in the order of their numbers."""
    if material == FACADE:
        return facade(objects, k, spot)
    if material <= SOIL:
        return _building_stuff(material, objects, k, spot)
    if material <= LAMP:
        return _vehicle_part(material, objects, k, spot)
    if material <= VEST:
        return _clothing(material, objects, k, spot)
    if material == CONE:
        return cone(objects, k, spot)
    if material == STRIPES:
        return barrier_face(objects, k, spot)
    if material == SIGN:
        return sign(objects, k, spot)
    if material == SIGNAL:
        return signal(spot)
    if material == HAZARD:
        return hazard(spot, RED, WHITE, 0.12)
    return poster(objects, k, spot)


@kernel
@no_type_check
def _building_stuff(material, objects, k, spot):
    """Walls, roofs, plants, poles."""
    first, second = colour_of(objects, k, COLOUR), colour_of(objects, k, SECOND_COLOUR)
    if material == ROOF:
        row = periodic(spot.y if abs(spot.nz) > 0.99 else spot.z, 0.35)
        tone = 1.0 + 0.5 * grain(spot, 0.3) + 0.4 * grain(spot, 2.0)
        return matt(second, tone * (1.0 - 0.35 * covered(row, 0.04, spot.blur)))
    if material == FOLIAGE:
        tone = 1.0 + 0.9 * lumps(spot, 0.045) + lumps(spot, 0.12)
        return matt(first, tone + 0.9 * lumps(spot, 0.45) + 0.5 * lumps(spot, 1.6))
    if material == BARK:
        ribs = octave(3.0 * spot.x, 3.0 * spot.y, spot.z, 0.15, spot.seed, spot.blur)
        return matt(second, 1.0 + 0.8 * ribs)
    if material == PLANKS:
        u = along(spot)
        tone = boards(u, 0.14, spot) * (1.0 - 0.4 * covered(periodic(u, 2.1), 0.06, spot.footprint))
        return matt(first, tone + 0.4 * flat_octave(4.0 * u, spot.z, 0, 0.4, spot.seed, spot.blur))
    if material == MASONRY:
        return matt(first, bricks(along(spot), spot.z, spot))
    if material == METAL:
        tone = 1.0 + 0.3 * grain(spot, 0.25) - 0.3 * (spot.z < 0.4)
        return Finish(scaled((0.24, 0.25, 0.26), tone), 0.4, 0.0)
    if material == CONCRETE:
        joint = covered(periodic(along(spot), 2.0), 0.012, spot.footprint) * (abs(spot.nz) < 0.5)
        tone = 1.0 + 0.35 * grain(spot, 0.07) + 0.35 * grain(spot, 0.4) + 0.3 * grain(spot, 1.5)
        return matt((0.36, 0.35, 0.33), tone * (1.0 - 0.5 * joint))
    if material == SOIL:
        return matt((0.13, 0.09, 0.06), 1.0 + 0.9 * grain(spot, 0.09) + 0.9 * grain(spot, 0.35))
    tone = 1.0 + 0.3 * grain(spot, 0.08) + 0.3 * grain(spot, 0.6)
    return matt(second if material == SECOND else first, tone)


@kernel
@no_type_check
def _vehicle_part(material, objects, k, spot):
    """Bodies, panes, wheels, lamps."""
    if material == PAINT:
        return paint(objects, k, spot)
    if material == GLASS:
        return Finish((0.015, 0.02, 0.022), 1.0, 0.0)
    if material == RUBBER:
        tone = 0.018 * (1.0 + 0.5 * grain(spot, 0.05))
        return Finish((tone, tone, tone), 0.05, 0.0)
    if material == LIVERY:
        return livery(objects, k, spot)
    if material == CARGO:
        return cargo(objects, k, spot)
    if material == CURTAIN:
        return curtain(objects, k, spot)
    if material == TRIM:
        tone = 0.035 * (1.0 + 0.6 * grain(spot, 0.12))
        return Finish((tone, tone, tone), 0.15, 0.0)
    if material == RIM:
        return rim(spot)
    if material == PLATE:
        return plate(spot)
    if material == HEADLIGHT:
        return Finish((0.75, 0.75, 0.7), 0.6, 2.5 * spot.lamps)
    if material == TAILLIGHT:
        return Finish((0.42, 0.02, 0.02), 0.5, 2.0 * spot.lamps)
    return Finish((0.7, 0.62, 0.45), 0.3, 3.0 * spot.lamps)


@kernel
@no_type_check
def _clothing(material, objects, k, spot):
    """People: skin and hair by the object's seed, clothes by its colours."""
    if material == CLOTH:
        return cloth(objects, k, spot)
    if material == VEST:
        return vest(objects, k, spot)
    if material == TROUSERS:
        tone = 1.0 + 0.5 * grain(spot, 0.1) + 0.3 * grain(spot, 0.35)
        return matt(colour_of(objects, k, SECOND_COLOUR), tone)
    shade = ((spot.seed * 7919) & 255) / 255.0
    if material == SKIN:
        return matt((0.09 + 0.38 * shade, 0.05 + 0.23 * shade, 0.03 + 0.16 * shade), 1.0)
    tone = (0.015 + 0.1 * shade * shade) * (1.0 + 0.7 * grain(spot, 0.04))
    return Finish((1.6 * tone, tone, 0.6 * tone), 0.1, 0.0)
