from collections import Counter

import numpy as np
import pytest

from mim4d.world.objects import meshes
from mim4d.world.objects.meshes import Material, Station

PLAIN, GLASS, PAINT = int(Material.PLAIN), int(Material.GLASS), int(Material.PAINT)
STATIONS = [Station(-1.0, 0.2, 0.8, 0.5, 0.4), Station(0.5, 0.1, 1.0, 0.6, 0.5)]
SOLIDS = {
    "box": meshes.box((-1.0, 2.0), (-0.5, 0.5), (0.0, 1.0), PLAIN),
    "tapered": meshes.tapered((-1.0, 1.0, 0.5), (-0.5, 0.8, 0.3), (0.0, 2.0), PLAIN, GLASS),
    "loft": meshes.loft([*STATIONS, Station(1.0, 0.3, 0.7, 0.4, 0.3)], PAINT, PAINT, PAINT),
    "gable": meshes.gable(3.0, 2.0, (4.0, 6.0), 0.3, PLAIN, PLAIN),
    "cylinder": meshes.cylinder(0.5, (0.0, 2.0), PLAIN, 9),
    "drum": meshes.drum((0.0, 0.0, 0.5), 0.5, 0.2, PLAIN, PLAIN),
    "beam": meshes.beam((0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (0.1, 0.2), PLAIN),
    "ball": meshes.ball((0.0, 0.0, 1.0), (0.3, 0.2, 0.4), (PLAIN,) * 4),
    "blob": meshes.blob((1.0, 1.0, 1.5), 3.0, np.random.default_rng(0)),
}


def edges(mesh):
    for triangle in np.round(mesh.triangles, 9).tolist():
        a, b, c = (tuple(corner) for corner in triangle)
        yield from (frozenset((a, b)), frozenset((b, c)), frozenset((c, a)))


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed(name):
    """Every edge belongs to two triangles."""
    assert set(Counter(edges(SOLIDS[name])).values()) == {2}


def test_box_has_the_size_and_materials_asked_for():
    mesh = meshes.box((-1.0, 2.0), (-0.5, 0.5), (0.0, 1.0), PLAIN, GLASS)
    low, high = mesh.extent
    assert low.tolist() == [-1.0, -0.5, 0.0]
    assert high.tolist() == [2.0, 0.5, 1.0]
    on_top = (mesh.triangles[..., 2] == 1.0).all(axis=1)
    assert set(mesh.materials[on_top]) == {GLASS}
    assert set(mesh.materials[~on_top]) == {PLAIN}


def test_loft_wears_its_materials_where_told():
    mesh = meshes.loft(STATIONS, PAINT, GLASS, PLAIN)
    middle = mesh.triangles.mean(axis=1)
    assert set(mesh.materials[np.abs(middle[:, 1]) > 0.4]) == {PAINT}
    ends = np.ptp(mesh.triangles[..., 0], axis=1) == 0.0
    assert set(mesh.materials[ends]) == {PLAIN}
    assert {GLASS, int(Material.TRIM)} <= set(mesh.materials[~ends])


def test_degenerate_bands_are_left_out():
    twice = [STATIONS[0], STATIONS[0], STATIONS[1]]
    once = meshes.loft(STATIONS, PAINT, PAINT, PAINT)
    assert len(meshes.loft(twice, PAINT, PAINT, PAINT).materials) == len(once.materials)


def test_beam_runs_from_end_to_end():
    mesh = meshes.beam((0.0, 0.0, 0.0), (0.0, 0.0, 2.0), (0.1, 0.1), PLAIN, 8)
    low, high = mesh.extent
    assert (low[2], high[2]) == (0.0, 2.0)
    assert np.hypot(mesh.triangles[..., 0], mesh.triangles[..., 1]).max() == pytest.approx(0.1)


def test_moved_turns_then_shifts():
    mesh = meshes.box((0.0, 2.0), (0.0, 1.0), (0.0, 1.0), PLAIN).moved(10.0, 0.0, 1.0, np.pi / 2)
    low, high = mesh.extent
    np.testing.assert_allclose(low, [9.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(high, [10.0, 2.0, 2.0], atol=1e-12)


def test_centred_stands_over_the_origin():
    low, high = SOLIDS["beam"].moved(3.0, -2.0, 5.0).centred().extent
    np.testing.assert_allclose(low[:2], -high[:2], atol=1e-12)
    assert low[2] == pytest.approx(0.0)
