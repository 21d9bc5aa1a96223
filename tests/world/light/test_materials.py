import numpy as np
import pytest

from mim4d.world.kernels.spots import Spot
from mim4d.world.light.materials import object_finish
from mim4d.world.objects.catalogue import KINDS, house, specimen
from mim4d.world.objects.colours import STYLE_SHARES, facade_look
from mim4d.world.objects.facades import STYLES
from mim4d.world.objects.liveries import WHITE
from mim4d.world.objects.meshes import Material
from mim4d.world.objects.site import object_row


def spot(x=0.0, y=0.0, z=0.5, normal=(1.0, 0.0, 0.0), width=0.004, seed=3, lamps=0.0):
    nx, ny, nz = normal
    return Spot(x, y, z, nx, ny, nz, width, width, seed, lamps)


def table(look, seed=3):
    return object_row(0.0, 0.0, 0.0, seed, look)[None]


def finishes(made, rng, count=60):
    """Finishes at random spots of a mesh, by day and with lamps."""
    triangles = made.mesh.triangles
    for _ in range(count):
        i = int(rng.integers(len(triangles)))
        weights = rng.dirichlet([1.0, 1.0, 1.0])
        x, y, z = weights @ triangles[i]
        edges = triangles[i, 1:] - triangles[i, :1]
        across = np.cross(edges[0], edges[1])
        normal = tuple((across / np.linalg.norm(across)).tolist())
        width, seed = float(10 ** rng.uniform(-3, 0)), int(rng.integers(1 << 20))
        at = spot(float(x), float(y), float(z), normal, width, seed, float(rng.integers(2)))
        yield object_finish(int(made.mesh.materials[i]), table(made.look, seed), 0, at)


def check(finish):
    assert all(0.0 <= c <= 1.0 for c in finish.colour)
    assert 0.0 <= finish.gloss <= 1.0
    assert 0.0 <= finish.glow <= 4.0


@pytest.mark.parametrize("kind", KINDS)
def test_finishes_stay_in_range(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    for finish in finishes(specimen(kind, rng), rng):
        check(finish)


def test_facades_stay_in_range_and_every_style_is_drawn():
    drawn = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        look = facade_look(rng)
        drawn.add(int(look[9]))
        for finish in finishes(house(rng, look, (8.0, 6.0), 9.0, False), rng, 15):
            check(finish)
    assert drawn == set(STYLE_SHARES) == set(STYLES)


def test_materials_and_seeds_give_textures_of_their_own():
    """No two materials, and no two seeds of one, look alike along a line of spots."""
    look = np.array([0.5, 0.3, 0.2, 0.1, 0.3, 0.6, 3.0, 3.0, 0.5, 1.0])
    plain = {Material.GLASS, Material.HEADLIGHT, Material.TAILLIGHT, Material.LAMP}
    textured = [material for material in Material if material != Material.SIGNAL]
    seen = {}
    for material in textured:
        for seed in (3, 4):
            line = [
                object_finish(int(material), table(look, seed), 0, spot(y=y, z=1.2, seed=seed))
                for y in np.linspace(-0.8, 0.8, 40)
            ]
            colours = np.round([finish.colour for finish in line], 6)
            seen[material, seed] = colours.tobytes()
            assert material in plain or material == Material.SKIN or np.ptp(colours) > 0.0, material
    first = [seen[material, 3] for material in textured]
    assert len(set(first)) == len(first)
    assert {m for m in textured if seen[m, 3] == seen[m, 4]} <= plain


def test_detail_finer_than_a_pixel_fades():
    look = np.array([0.5, 0.3, 0.2, 0.1, 0.3, 0.6, 3.0, 3.0, 0.5, 1.0])
    objects = table(look)
    for material in (Material.MASONRY, Material.FOLIAGE, Material.CONCRETE, Material.PLANKS):
        near, far = (
            np.std(
                [
                    object_finish(int(material), objects, 0, spot(y=y, z=1.2, width=width)).colour
                    for y in np.linspace(-2.0, 2.0, 200)
                ],
                axis=0,
            ).max()
            for width in (0.003, 6.0)
        )
        assert far < 0.35 * near, material


def test_cones_wear_white_bands_on_orange():
    made = specimen("traffic_cone", np.random.default_rng(0))
    orange, band = (
        object_finish(int(Material.CONE), table(made.look), 0, spot(z=z)).colour
        for z in (0.2, 0.43)
    )
    assert orange[0] > 3 * orange[2]
    assert min(band) > 0.5 * min(WHITE)


def test_one_lamp_of_a_traffic_light_is_lit():
    look = np.zeros(10)
    for seed in range(12):
        glows = [
            object_finish(int(Material.SIGNAL), table(look, seed), 0, spot(z=z, seed=seed)).glow
            for z in (2.25, 2.55, 2.85)
        ]
        assert sorted(glow > 0.0 for glow in glows) == [False, False, True]


def test_lamps_glow_at_dusk_only():
    for material in (Material.HEADLIGHT, Material.TAILLIGHT, Material.LAMP):
        objects = table(np.full(10, 0.5))
        day, dusk = (
            object_finish(int(material), objects, 0, spot(lamps=lamps)).glow for lamps in (0.0, 1.0)
        )
        assert day == 0.0
        assert dusk > 1.0


def test_some_windows_are_lit_at_dusk():
    look = np.array([0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 3.0, 3.0, 0.5, 0.0])
    middles = [(3.0 * i + 1.5, 3.0 * j + 1.5) for i in range(12) for j in range(1, 6)]
    lit = [
        object_finish(int(Material.FACADE), table(look), 0, spot(y=u + 0.1, z=v, lamps=0.9)).glow
        for u, v in middles
    ]
    assert 0.2 < np.mean(np.array(lit) > 0.0) < 0.65
