from dataclasses import replace

import numpy as np
import pytest

from mim4d.world.kernels.tracing import Solid, cast_rays
from mim4d.world.light.develop import develop
from mim4d.world.light.lighting import Light, Sky, sample_light
from mim4d.world.light.shading import shade
from mim4d.world.light.surfaces import BEAM_ANGLE, Rays, Snapshot, reflectance
from mim4d.world.objects.meshes import Material, box
from mim4d.world.objects.site import object_row
from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.network import sample_plan

NOON = Sky(
    sun=(0.0, 0.6, 0.8),
    sun_colour=(2.0, 2.0, 2.0),
    zenith=(0.3, 0.4, 0.8),
    horizon=(0.9, 0.9, 1.0),
    halo=(0.0, 0.0, 0.0),
    strength=0.6,
    haze_per_m=0.0,
    clouds=0.0,
    lamps=0.0,
    seed=1,
)
EYE = np.array([0.0, 0.0, 1.6])
LOOK = np.full(10, 0.4)


@pytest.fixture(scope="module")
def ground():
    rng = np.random.default_rng(0)
    return make_ground(sample_plan(rng, 20.0).roads, rng)


def nothing():
    none = np.zeros(0, dtype=np.uint8)
    return Solid(np.zeros((0, 3, 3)), none, none.astype(np.int32))


def snapshot(ground, meshes, sky=NOON, footprints=None):
    """Things that stand, each with a row of its own."""
    parts = [(mesh, np.full(len(mesh.materials), i, np.int32)) for i, mesh in enumerate(meshes)]
    standing = (
        Solid(
            np.concatenate([mesh.triangles for mesh, _ in parts]),
            np.concatenate([mesh.materials for mesh, _ in parts]),
            np.concatenate([rows for _, rows in parts]),
        )
        if parts
        else nothing()
    )
    rows = [object_row(0.0, 0.0, 0.0, 5 + i, LOOK) for i in range(max(len(meshes), 1))]
    light = replace(sample_light(np.random.default_rng(0)), sky=sky)
    near = np.zeros((0, 6)) if footprints is None else footprints
    return Snapshot(standing, nothing(), np.stack(rows), near, ground, light)


def seen(world, targets, shadows=True):
    directions = np.asarray(targets, dtype=np.float64) - EYE
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    directions = directions.astype(np.float32)
    hits = cast_rays(world.standing, world.moving, EYE, directions, 600.0)
    return shade(Rays(EYE, directions, 0.002), hits, world, shadows)


def wall(x, material, z=(0.0, 3.0)):
    return box((x, x + 0.2), (-1.5, 1.5), z, int(material))


def test_a_roof_casts_a_shadow_on_the_ground(ground):
    roof = box((4.0, 8.0), (-2.0, 2.0), (3.0, 3.1), int(Material.CONCRETE))
    below, beside = [[6.0, -1.5, 0.0]], [[12.0, 0.0, 0.0]]
    free, covered = (snapshot(ground, meshes) for meshes in ([], [roof]))
    assert (seen(covered, below) < 0.6 * seen(free, below)).all()
    np.testing.assert_array_equal(seen(covered, below, shadows=False), seen(free, below))
    np.testing.assert_array_equal(seen(covered, beside), seen(free, beside))


def test_the_ground_is_darker_beside_a_vehicle(ground):
    footprint = np.array([[6.0, 0.0, 1.0, 0.0, 2.0, 0.9]])
    target = [[6.0, 1.0, 0.0]]
    free, close = (
        seen(snapshot(ground, []), target),
        seen(snapshot(ground, [], footprints=footprint), target),
    )
    assert (close < 0.95 * free).all()


def test_haze_takes_far_things_into_the_horizon(ground):
    hazy = NOON._replace(haze_per_m=0.02)
    far = seen(snapshot(ground, [wall(400.0, Material.RUBBER, (0.0, 60.0))], hazy), [[400, 0, 20]])
    np.testing.assert_allclose(far[0], 0.9 * np.array(NOON.horizon), rtol=0.01)
    near = seen(snapshot(ground, [wall(5.0, Material.RUBBER)], hazy), [[5.0, 0.0, 1.0]])
    assert near.max() < 0.15


def test_lamps_shine_only_when_lit(ground):
    lamp, target = [wall(5.0, Material.LAMP)], [[5.0, 0.3, 1.0]]
    dusk = NOON._replace(sun_colour=(0.0, 0.0, 0.0), lamps=1.0)
    dark = NOON._replace(sun_colour=(0.0, 0.0, 0.0))
    assert seen(snapshot(ground, lamp, dusk), target).min() > 1.0
    assert seen(snapshot(ground, lamp, dark), target).max() < 0.6


def test_faces_towards_the_sun_are_brighter(ground):
    north = box((4.0, 8.0), (2.0, 2.2), (0.0, 3.0), int(Material.CONCRETE))
    south = box((4.0, 8.0), (-2.2, -2.0), (0.0, 3.0), int(Material.CONCRETE))
    world = snapshot(ground, [north, south])  # the sun stands at +y: it lights the right-hand wall
    shaded, lit = (seen(world, [[6.0, y, 1.5]], shadows=False).mean() for y in (2.0, -2.0))
    assert lit > 2.0 * shaded


def test_rays_do_not_know_of_each_other(ground):
    meshes = [wall(6.0, Material.PAINT), wall(9.0, Material.FACADE, (0.0, 9.0))]
    world = snapshot(ground, meshes)
    rng = np.random.default_rng(1)
    targets = np.column_stack([np.full(60, 6.0), rng.uniform(-4, 4, 60), rng.uniform(0, 5, 60)])
    whole = seen(world, targets)
    np.testing.assert_array_equal(whole[::-1], seen(world, targets[::-1]))
    np.testing.assert_array_equal(whole[20:40], seen(world, targets[20:40]))
    assert np.isfinite(whole).all()
    assert whole.min() >= 0.0


def test_glass_returns_little_of_a_lidar(ground):
    def back(material, origin):
        world = snapshot(ground, [wall(8.0, material)])
        directions = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
        hits = cast_rays(world.standing, world.moving, EYE, directions, 600.0)
        return reflectance(Rays(origin, directions, BEAM_ANGLE), hits, world)[0]

    assert back(Material.GLASS, EYE) < 0.05 < back(Material.CONCRETE, EYE) < 1.0
    assert back(Material.CONCRETE, EYE[None]) == back(Material.CONCRETE, EYE)


def pictures(world, lights, hw=(24, 40)):
    """What a camera looking along x makes of a scene under each light."""
    v, u = np.meshgrid(np.arange(hw[0]) + 0.5, np.arange(hw[1]) + 0.5, indexing="ij")
    ahead = np.full(hw, 0.8 * hw[1])
    directions = np.stack([ahead, hw[1] / 2 - u, hw[0] / 2 - v], axis=-1).reshape(-1, 3)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    directions = directions.astype(np.float32)
    hits = cast_rays(world.standing, world.moving, EYE, directions, 600.0)
    for i, light in enumerate(lights):
        linear = shade(Rays(EYE, directions, 0.03), hits, replace(world, light=light), True)
        yield develop(linear.reshape(*hw, 3), light, i)


def test_pictures_are_neither_dark_nor_burnt_out(ground):
    """A street with walls on both sides: mean grey and clipped share under 120 lights."""
    sides = [
        box((4.0, 60.0), (y, y + 8.0), (0.0, 9.0), int(Material.MASONRY)) for y in (-20.0, 12.0)
    ]
    world = snapshot(ground, [*sides, wall(70.0, Material.CONCRETE)])
    lights: list[Light] = [sample_light(np.random.default_rng(seed)) for seed in range(120)]
    means = []
    for picture in pictures(world, lights):
        means.append(picture.mean())
        assert 40.0 < means[-1] < 190.0
        assert ((picture <= 1) | (picture >= 252)).mean() < 0.2
        assert picture.std() > 10.0
    assert np.ptp(means) > 50.0  # exposure differs between scenes
