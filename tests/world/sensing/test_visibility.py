from dataclasses import replace

import numpy as np
import pytest

from mim4d.world.kernels.tracing import Solid, rotate
from mim4d.world.objects.meshes import box
from mim4d.world.objects.site import Thing
from mim4d.world.scene.layout import sample_layout
from mim4d.world.sensing.bodies import find_bodies
from mim4d.world.sensing.rig import make_cameras
from mim4d.world.sensing.visibility import silhouettes

pytestmark = pytest.mark.slow

SIZE = (96, 160)
CAMERA = make_cameras(*SIZE)[0]  # looks ahead from (1.7, 0.02, 1.51)
PROJECTION = CAMERA.intrinsics @ np.linalg.inv(CAMERA.ego_from_camera)[:3]


@pytest.fixture(scope="module")
def layout():
    return sample_layout(np.random.SeedSequence((1, 0, 0)), 0.5)


def bodies_of(layout, *places):
    mesh = box((-2.0, 2.0), (-1.0, 1.0), (0.0, 1.5), 3)
    things = [Thing(mesh, x, y, yaw, np.zeros(10), 0, "vehicle.car") for x, y, yaw in places]
    return find_bodies(replace(layout, things=tuple(things), movers=()))


def traced(bodies, k):
    """Pixels whose ray meets body `k` alone."""
    thing = bodies.things[k]
    mesh = thing.mesh.moved(thing.x, thing.y, 0.0, thing.yaw)
    solid = Solid(mesh.triangles, mesh.materials, np.zeros(len(mesh.materials), np.int32))
    rays = CAMERA.directions().reshape(-1, 3)
    directions = rotate(CAMERA.ego_from_camera[:3, :3], rays)
    origins = np.tile(CAMERA.ego_from_camera[:3, 3].astype(np.float32), (len(rays), 1))
    limits = np.full(len(rays), 500.0, np.float32)
    return (solid.nearest(origins, directions, limits)[1] >= 0).reshape(SIZE)


@pytest.mark.parametrize(
    "place",
    [
        (12.0, 0.0, 0.3),
        (6.0, -2.5, 1.2),
        (40.0, 9.0, 0.0),
        (2.5, 2.2, 0.1),  # beside the camera: some of it lies behind
        (15.0, -8.5, 2.0),  # cut by the edge of the image
    ],
)
def test_a_silhouette_is_what_rays_meet(layout, place):
    bodies = bodies_of(layout, place)
    alone = traced(bodies, 0)
    shown = np.where(alone, 1, 0).astype(np.uint16)
    shown[:, ::2] = 0  # something covers every second column
    ((whole, visible),) = silhouettes(
        bodies, bodies.standing_poses, np.ones(1, np.bool_), PROJECTION, shown
    )
    assert whole > 20
    assert whole == pytest.approx(alone.sum(), abs=max(2, 0.003 * whole))  # grazed corners
    assert visible == pytest.approx(shown.sum(), abs=max(2, 0.003 * whole))


def test_what_lies_behind_or_is_not_wanted_has_none(layout):
    bodies = bodies_of(layout, (-12.0, 0.0, 0.0), (12.0, 0.0, 0.0), (12.0, 40.0, 0.0))
    wanted = np.array([True, False, True])
    shown = np.zeros(SIZE, np.uint16)
    found = silhouettes(bodies, bodies.standing_poses, wanted, PROJECTION, shown)
    assert found.tolist() == [[0, 0], [0, 0], [0, 0]]


def test_wide_images_are_looked_at_on_a_coarser_lattice(layout):
    bodies = bodies_of(layout, (12.0, 0.0, 0.3))
    fine, coarse = (
        silhouettes(
            bodies,
            bodies.standing_poses,
            np.ones(1, np.bool_),
            np.diag([scale, scale, 1.0]) @ PROJECTION,
            np.ones((96 * scale, 160 * scale), np.uint16),
        )[0]
        for scale in (2, 6)  # 320 columns: all; 960 columns: every second
    )
    assert coarse[0] == pytest.approx(fine[0] * 9 / 4, rel=0.03)
    assert coarse[0] == coarse[1]
