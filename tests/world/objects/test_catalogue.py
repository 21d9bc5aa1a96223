import numpy as np
import pytest

from mim4d.world.objects.catalogue import KINDS, enclosure, house, look_of, specimen
from mim4d.world.objects.classes import CATEGORIES, DETECTION_CLASS
from mim4d.world.objects.colours import facade_look
from mim4d.world.objects.meshes import Material

pytestmark = pytest.mark.slow

SEEDS = range(12)
# Length, width and height, metres: from and to, as nuScenes' annotations of the class spread.
SIZES_M = {
    "car": ((3.4, 5.8), (1.6, 2.2), (1.3, 2.2)),
    "truck": ((5.0, 10.5), (1.9, 3.0), (1.9, 4.2)),
    "bus": ((9.0, 19.0), (2.4, 3.3), (2.8, 4.0)),
    "trailer": ((8.5, 15.0), (2.3, 3.2), (1.3, 4.5)),
    "construction_vehicle": ((3.5, 9.0), (1.8, 3.4), (2.5, 4.4)),
    "motorcycle": ((1.6, 2.6), (0.6, 1.1), (0.95, 2.0)),
    "bicycle": ((1.5, 2.1), (0.4, 0.95), (0.9, 2.1)),
    "pedestrian": ((0.2, 1.25), (0.3, 0.95), (0.95, 2.1)),
    "traffic_cone": ((0.3, 0.75), (0.3, 0.75), (0.6, 1.25)),
    "barrier": ((0.15, 0.75), (1.65, 2.7), (0.75, 1.35)),
}


@pytest.fixture(scope="module")
def specimens():
    return {kind: [specimen(kind, np.random.default_rng(s)) for s in SEEDS] for kind in KINDS}


def size(mesh):
    low, high = mesh.extent
    return high - low


def test_sizes_are_those_of_the_class(specimens):
    covered = set()
    for kind, drawn in specimens.items():
        for made in drawn:
            if made.category:
                label = DETECTION_CLASS[made.category]
                covered.add(label)
                for metres, (least, most) in zip(size(made.mesh), SIZES_M[label], strict=True):
                    assert least <= metres <= most, (kind, size(made.mesh))
    assert covered == set(SIZES_M)


@pytest.mark.parametrize("kind", KINDS)
def test_a_specimen_is_sound(kind, specimens):
    for made in specimens[kind]:
        low, high = made.mesh.extent
        assert low[2] == pytest.approx(0.0, abs=0.01)
        assert made.rider == kind.startswith("ridden")
        assert made.category in ("", *CATEGORIES)
        if made.category:  # the box is centred over the origin
            np.testing.assert_allclose(low[:2], -high[:2], atol=1e-9)
        assert made.mesh.materials.max() < len(Material)
        edges = made.mesh.triangles[:, 1:] - made.mesh.triangles[:, :1]
        area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) / 2
        assert area.min() > 1e-9
        assert 10 < len(area) < 1500
        assert ((made.look[:6] >= 0.0) & (made.look[:6] <= 1.0)).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "cabinet"])
def test_specimens_of_a_kind_differ(kind, specimens):
    sizes = {tuple(np.round(size(made.mesh), 6)) for made in specimens[kind]}
    looks = {tuple(made.look) for made in specimens[kind]}
    assert len(sizes) > len(SEEDS) - 4
    assert len(looks) == len(SEEDS)


def features(mesh):
    """Logarithms of the size, and the share of each material."""
    share = np.bincount(mesh.materials, minlength=len(Material)) / len(mesh.materials)
    return np.concatenate([np.log(size(mesh)), 2.0 * share])


def test_classes_differ_in_shape(specimens):
    """One half's nearest neighbour in the other half is of its own class."""
    drawn = [made for kind in KINDS for made in specimens[kind] if made.category]
    labels = np.array([DETECTION_CLASS[made.category] for made in drawn])
    points = np.stack([features(made.mesh) for made in drawn])
    apart = np.linalg.norm(points[::2, None] - points[None, 1::2], axis=-1)
    agree = labels[1::2][apart.argmin(axis=1)] == labels[::2]
    assert agree.mean() > 0.96


def test_the_same_seed_gives_the_same_specimen():
    for kind in KINDS:
        first, second = (specimen(kind, np.random.default_rng(3)) for _ in range(2))
        np.testing.assert_array_equal(first.mesh.triangles, second.mesh.triangles)
        np.testing.assert_array_equal(first.look, second.look)


def test_look_of_fits_the_kind():
    rng = np.random.default_rng(0)
    cones = np.stack([look_of("traffic_cone", rng) for _ in range(20)])
    assert (cones[:, 0] > 3 * cones[:, 2]).all()  # orange


def test_houses_stand_within_their_plot():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        look = facade_look(rng)
        height = 3 * float(look[7])
        made = house(rng, look, (4 * float(look[6]), 6.0), height, pitched=bool(seed % 2))
        low, high = made.mesh.extent
        assert (np.abs([*low[:2], *high[:2]]) <= np.array([4 * look[6], 6.0] * 2) + 1.35).all()
        assert low[2] == 0.0
        assert high[2] > height


@pytest.mark.parametrize("kind", ["hedge", "fence", "wall"])
def test_enclosures_have_the_size_asked_for(kind):
    made = enclosure(np.random.default_rng(0), kind, 5.0, 1.5)
    length, width, height = size(made.mesh)
    assert length == pytest.approx(5.0)
    assert width < 0.8
    assert 1.5 <= height <= 1.61
