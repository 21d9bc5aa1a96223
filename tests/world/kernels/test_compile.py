import importlib.util
import sys

import numpy as np
import pytest

import mim4d.world.kernels.compile as kernels_module
import mim4d.world.kernels.tracing as tracing_module
from mim4d.world.kernels import noise, spots
from mim4d.world.light import materials
from mim4d.world.objects import facades, liveries
from mim4d.world.objects.colours import STYLE_SHARES
from mim4d.world.objects.meshes import Material
from mim4d.world.streets import curves, ground, paint

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("module", "missing"), [(kernels_module, "numba"), (tracing_module, "embreex")]
)
def test_a_missing_extra_is_named(module, missing, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.spec_from_file_location("without_extra", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ImportError, match=r"pip install 'mim4d\[world\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def interpreted(monkeypatch, *modules):
    """Let kernels of these modules run as plain Python."""
    for module in modules:
        for name, value in vars(module).copy().items():
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
    monkeypatch.setattr(noise, "_finish", finish_in_plain_python)


def finish_in_plain_python(h):
    """`noise._finish`, with integers wrapped to signed 64 bits as the machine does."""

    def wrap(value):
        return (value + (1 << 63)) % (1 << 64) - (1 << 63)

    h = wrap(h)
    h = wrap((h ^ (h >> 31)) * noise.MIX)
    h = wrap((h ^ (h >> 29)) * noise.MIX)
    return ((h >> 38) & 0xFFFFFF) * noise.UNIT


def test_compiled_ground_equals_interpreted(layouts, monkeypatch):
    """Also fails where a stale cache holds an older version of a called kernel."""
    table, rng = layouts[0].ground, np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-12.0, 12.0, (80, 2)), rng.uniform(-60.0, 60.0, (80, 2))])
    args = (table.pieces, table.first, table.roads, table.look)
    compiled = [ground.ground_albedo(*args, x, y, 0.01, 0.02) for x, y in points]
    interpreted(monkeypatch, ground, paint, curves, noise)
    plain = [ground.ground_albedo(*args, float(x), float(y), 0.01, 0.02) for x, y in points]
    np.testing.assert_allclose(compiled, plain, rtol=1e-6)
    assert np.std(compiled, axis=0).min() > 0.01


def spots_to_try(rng):
    for material in range(len(Material)):
        for k in range(len(STYLE_SHARES)):
            x, y, z = rng.uniform(0.0, 6.0, 3)
            n = rng.normal(size=3)
            nx, ny, nz = n / np.linalg.norm(n)
            lamps = float(k % 2)
            yield material, k, spots.Spot(x, y, z, nx, ny, nz, 0.01, 0.02, 3 + k, lamps)


def test_compiled_finishes_equal_interpreted(monkeypatch):
    rng = np.random.default_rng(0)
    objects = rng.uniform(0.1, 0.9, (len(STYLE_SHARES), spots.OBJECT_COLUMNS))
    objects[:, spots.PITCH], objects[:, spots.STOREY] = 2.5, 2.9
    objects[:, spots.STYLE] = list(STYLE_SHARES)
    cases = [(material, objects, k, spot) for material, k, spot in spots_to_try(rng)]
    compiled = [materials.object_finish(*case) for case in cases]
    interpreted(monkeypatch, materials, facades, liveries, spots, noise)
    plain = [materials.object_finish(*case) for case in cases]
    for ours, theirs in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(ours.colour, theirs.colour, rtol=1e-6)
        assert (ours.gloss, ours.glow) == pytest.approx((theirs.gloss, theirs.glow))


def test_noise_is_smooth_and_even():
    xs = np.arange(0.0, 400.0, 0.37)
    values = np.array([noise.value_noise(x, 0.3 * x, 0.0, 5) for x in xs])
    assert 0.0 <= values.min() < 0.15
    assert 0.85 < values.max() < 1.0
    assert values.mean() == pytest.approx(0.5, abs=0.03)
    fine = np.array([noise.value_noise(x, 0.5, 0.0, 5) for x in np.arange(0.0, 20.0, 0.01)])
    assert np.abs(np.diff(fine)).max() < 0.02
