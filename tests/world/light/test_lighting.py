from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from mim4d.world.light.lighting import WEATHER_SHARES, WEATHERS, Light, sample_light, sky_colour


@pytest.fixture(scope="module")
def lights() -> list[Light]:
    return [sample_light(np.random.default_rng(seed)) for seed in range(400)]


def test_every_weather_comes_as_often_as_stated(lights):
    counts = Counter(light.weather for light in lights)
    for weather, share in zip(WEATHERS, WEATHER_SHARES, strict=True):
        assert counts[weather] / len(lights) == pytest.approx(share, abs=0.07)


def test_sun_haze_and_lamps_follow_the_weather(lights):
    for light in lights:
        sky = light.sky
        assert np.linalg.norm(light.sun_direction) == pytest.approx(1.0)
        assert sky.sun[2] > 0.0
        assert (sky.lamps > 0.0) == (light.weather == "dusk")
        assert (sum(sky.sun_colour) == 0.0) == (light.weather == "dusk")
        assert 3.0 / 15000.0 <= sky.haze_per_m <= 3.0 / 150.0
    low = [light.sky for light in lights if light.weather == "low_sun"]
    assert all(sky.sun_colour[0] > 1.3 * sky.sun_colour[2] for sky in low)  # a warm light
    hazy = np.mean([light.sky.haze_per_m > 3.0 / 2500.0 for light in lights])
    assert hazy == pytest.approx(0.25, abs=0.07)


def test_scenes_differ_in_exposure_and_white(lights):
    exposures = np.stack([light.camera.exposure for light in lights])
    ratio = exposures[:, 0] / exposures[:, 2]
    assert ratio.min() < 0.9
    assert ratio.max() > 1.1
    assert np.ptp(np.log2(exposures[:, 1])) > 1.5


def test_light_depends_on_the_seed_alone():
    first, second = (sample_light(np.random.default_rng(5)) for _ in range(2))
    assert first.sky == second.sky
    np.testing.assert_array_equal(first.camera.exposure, second.camera.exposure)
    assert asdict(first)["weather"] == second.weather


def sky_at(light, direction, fine=True):
    direction = np.array(direction) / np.linalg.norm(direction)
    return np.array(sky_colour(light.sky, *direction, fine))


def test_the_sky_is_brightest_towards_the_sun(lights):
    for light in lights[:40]:
        x, y, z = light.sun_direction
        if light.weather in ("clear", "low_sun") and light.sky.haze_per_m < 0.002:
            assert sky_at(light, (x, y, z)).sum() > sky_at(light, (-x, -y, z)).sum()


def test_thick_haze_hides_the_sky(lights):
    light = max(lights, key=lambda light: light.sky.haze_per_m)
    low = sky_at(light, (1.0, 0.0, 0.03))
    np.testing.assert_allclose(low, 0.9 * np.array(light.sky.horizon), rtol=0.08)


def test_below_the_horizon_lies_dull_ground(lights):
    for light in lights[:20]:
        assert sky_at(light, (1.0, 0.2, -0.3)).sum() < 0.5 * sum(light.sky.horizon)
