import numpy as np
import pytest

from mim4d.world.kernels.tracing import GROUND, MISS_M, MOVING, NOTHING, STANDING, Solid, cast_rays
from mim4d.world.objects.meshes import box


def solid_box(x: float) -> Solid:
    mesh = box((x, x + 1.0), (-1.0, 1.0), (0.0, 3.0), 5)
    return Solid(mesh.triangles, mesh.materials, np.zeros(len(mesh.materials), dtype=np.int32))


def nothing() -> Solid:
    return Solid(np.zeros((0, 3, 3)), np.zeros(0, np.uint8), np.zeros(0, np.int32))


def unit(*directions):
    rays = np.array(directions, dtype=np.float64)
    return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)


def test_nearest_of_standing_moving_and_ground():
    rays = unit([1, 0, 0], [-1, 0, 0], [0, 1, -0.5], [0, 0, 1], [0, 1, -1e-4])
    hits = cast_rays(solid_box(10.0), solid_box(-6.0), np.array([0.0, 0.0, 1.5]), rays, 100.0)
    assert hits.kind.tolist() == [STANDING, MOVING, GROUND, NOTHING, NOTHING]
    np.testing.assert_allclose(hits.distance_m[:2], [10.0, 5.0], rtol=1e-6)
    assert hits.distance_m[2] == pytest.approx(1.5 / 0.5 * np.sqrt(1.25), rel=1e-6)
    assert (hits.distance_m[3:] == MISS_M).all()
    assert (hits.triangle >= 0).tolist() == [True, True, False, False, False]


def test_moving_in_front_of_standing_and_behind_it():
    rays, origin = unit([1, 0, 0]), np.array([0.0, 0.0, 1.5])
    for standing, moving, kind in ((10.0, 4.0, MOVING), (4.0, 10.0, STANDING)):
        hits = cast_rays(solid_box(standing), solid_box(moving), origin, rays, 100.0)
        assert hits.kind[0] == kind
        assert hits.distance_m[0] == pytest.approx(4.0)


def test_empty_solids():
    rays = unit([1, 0, 0], [0, 0, -1])
    hits = cast_rays(nothing(), nothing(), np.array([0.0, 0.0, 2.0]), rays, 50.0)
    assert hits.kind.tolist() == [NOTHING, GROUND]
    assert not nothing().blocks(np.zeros((2, 3), np.float32), rays, 9.0).any()


def test_occlusion_has_a_reach():
    starts = np.array([[0.0, 0.0, 1.0]], dtype=np.float32)
    assert solid_box(10.0).blocks(starts, unit([1, 0, 0]), 20.0).all()
    assert not solid_box(10.0).blocks(starts, unit([1, 0, 0]), 5.0).any()
