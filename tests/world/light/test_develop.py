from dataclasses import replace

import numpy as np
import pytest

from mim4d.world.light.develop import BRIGHTEST, develop, tone_curve
from mim4d.world.light.lighting import CameraSettings, sample_light

CAMERA = CameraSettings(
    exposure=np.array([1.0, 1.0, 1.0]),
    vignetting=0.0,
    spread=0.1,
    electrons=800.0,
    read_noise=0.003,
)
QUIET = replace(CAMERA, electrons=1e12, read_noise=0.0)


def picture(linear, camera, seed=1):
    light = replace(sample_light(np.random.default_rng(0)), camera=camera)
    return develop(np.asarray(linear, dtype=np.float32), light, seed)


def flat(value, hw=(96, 128)):
    return np.full((*hw, 3), value, dtype=np.float32)


@pytest.mark.parametrize("value", [0.02, 0.1, 0.4, 1.0])
def test_noise_has_the_variance_stated(value):
    """Variance before the tone curve: read noise squared plus value / electrons."""
    levels = np.linspace(0.0, BRIGHTEST, 20001)
    noisy = picture(flat(value), CAMERA).astype(np.float64)
    linear = np.interp(noisy, tone_curve(levels)[:-1], levels[:-1])
    step = np.gradient(levels, tone_curve(levels))[np.searchsorted(levels, value)]
    expected = CAMERA.read_noise**2 + value / CAMERA.electrons + step**2 / 12  # 8-bit steps
    assert linear.var() == pytest.approx(expected, rel=0.06)
    assert linear.mean() == pytest.approx(value, rel=0.02)


def test_noise_is_the_images_own_and_each_channels_own():
    first, again, other = (picture(flat(0.3), CAMERA, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    channels = np.corrcoef(first.reshape(-1, 3).T.astype(float))
    assert np.abs(channels - np.eye(3)).max() < 0.04
    ours, theirs = first.ravel().astype(float), other.ravel().astype(float)
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.02


def test_tone_curve_rises_from_black_to_white():
    curve = tone_curve(np.linspace(0.0, BRIGHTEST, 500))
    assert curve[0] == 0.0
    assert 250.0 < curve[-1] <= 255.0
    assert (np.diff(curve) > 0.0).all()


def test_exposure_scales_each_channel():
    camera = replace(QUIET, exposure=np.array([0.5, 1.0, 2.0]))
    pixel = picture(flat(0.3), camera)[48, 64]
    np.testing.assert_allclose(pixel, tone_curve(np.array([0.15, 0.3, 0.6])), atol=1.0)


def test_corners_are_darker_by_the_vignetting():
    dark = picture(flat(0.3, (90, 160)), replace(QUIET, vignetting=0.2))
    assert dark[45, 80, 1] == pytest.approx(tone_curve(np.array(0.3)), abs=1.0)
    assert dark[0, 0, 1] == pytest.approx(tone_curve(np.array(0.24)), abs=1.5)


def test_the_lens_spreads_light_and_loses_none():
    linear = np.zeros((9, 9, 3), dtype=np.float32)
    linear[4, 4] = 1.0
    levels = np.linspace(0.0, BRIGHTEST, 20001)
    spot = np.interp(picture(linear, QUIET)[..., 0], tone_curve(levels), levels)
    assert spot[4, 4] == pytest.approx(0.8 * 0.8, rel=0.02)
    assert spot[4, 5] == pytest.approx(0.8 * 0.1, rel=0.04)
    assert spot.sum() == pytest.approx(1.0, rel=0.03)


def test_the_brightest_light_stays_white():
    assert picture(flat(1e6), CAMERA).min() >= 250
    assert picture(flat(0.0), CAMERA).max() < 40
