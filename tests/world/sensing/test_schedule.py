import pytest

from mim4d.world.sensing.schedule import (
    Recording,
    camera_measurements,
    jittered,
    lidar_measurements,
)


def recording(**changes) -> Recording:
    return Recording(**{"samples": 3, "interval_us": 500_000, "shadows": True, **changes})


def test_key_frames_only():
    sweeps = lidar_measurements(recording(), "LIDAR")
    assert [(m.time_us, m.sample, m.is_key) for m in sweeps] == [
        (0, 0, True),
        (500_000, 1, True),
        (1_000_000, 2, True),
    ]
    images = camera_measurements(recording(), "CAM", 0.5)
    assert [m.time_us for m in images] == [-25_000, 475_000, 975_000]


def test_rates_of_nuscenes():
    """Twelve exposures a second spread over twenty turns, six from key frame to key frame."""
    film = recording(camera_hz=12.0, lidar_hz=20.0)
    sweeps = lidar_measurements(film, "LIDAR")
    assert [m.time_us for m in sweeps] == list(range(0, 1_000_001, 50_000))
    assert [m.time_us for m in sweeps if m.is_key] == [0, 500_000, 1_000_000]
    images = camera_measurements(film, "CAM", 0.2)
    turns = [(m.time_us + 10_000) // 50_000 for m in images]
    assert turns == [0, 1, 3, 5, 6, 8, 10, 11, 13, 15, 16, 18, 20]
    assert [turn for turn, m in zip(turns, images, strict=True) if m.is_key] == [0, 10, 20]


def test_a_sweep_belongs_to_the_sample_that_follows():
    film = recording(camera_hz=12.0, lidar_hz=20.0)
    for measured in (lidar_measurements(film, "LIDAR"), camera_measurements(film, "CAM", 0.0)):
        for m in measured:
            assert m.sample == -(-m.time_us // 500_000)


def test_samples_lie_on_the_nearest_turn():
    """Intervals of 0.33 s and turns of 0.1 s."""
    uneven = recording(interval_us=330_000, lidar_hz=10.0, samples=4)
    assert uneven.key_turns() == [0, 3, 7, 10]
    assert [m.time_us for m in lidar_measurements(uneven, "L") if m.is_key] == [
        0,
        300_000,
        700_000,
        1_000_000,
    ]
    assert uneven.duration_s == 1.0


def test_key_images_are_the_nearest():
    slow = recording(camera_hz=5.0, lidar_hz=20.0, interval_us=250_000)
    images = camera_measurements(slow, "CAM", 0.0)  # at turns 0, 4, 8, 12; samples at 0, 5, 10
    assert [m.time_us for m in images if m.is_key] == [0, 200_000, 400_000]


@pytest.mark.parametrize("lead_turns", [0.0, 0.02, 0.98])
def test_of_two_turns_equally_near_the_nearer_exposure_is_the_key_image(lead_turns):
    slow = recording(camera_hz=5.0, lidar_hz=10.0)  # at turns 0, 2, 4, ...; samples at 0, 5, 10
    images = camera_measurements(slow, "CAM", lead_turns)
    late = [m.time_us - 500_000 * m.sample for m in images if m.is_key]
    assert all(abs(us) <= 100_000 for us in late), late


def test_one_exposure_for_two_samples_is_refused():
    with pytest.raises(ValueError, match="images of their own"):
        camera_measurements(recording(camera_hz=2.5, interval_us=200_000), "CAM", 0.0)


def test_a_camera_without_lidar_runs_by_itself():
    """Seven exposures a second at multiples of a seventh; the nearest to a sample is its own."""
    images = camera_measurements(recording(), "CAM", None, 7.0)
    assert [m.time_us for m in images] == [round(i * 1e6 / 7) for i in range(8)]
    assert [i for i, m in enumerate(images) if m.is_key] == [0, 3, 7]  # 0.43 and 1.00 s
    assert [m.sample for m in images] == [0, 1, 1, 1, 2, 2, 2, 2]


def test_jitter_moves_times_within_its_limit_and_nothing_else():
    images = camera_measurements(recording(samples=40), "CAM", None, 10.0)
    moved = jittered(images, 8.0, seed=3)
    shifts = [b.time_us - a.time_us for a, b in zip(images, moved, strict=True)]
    assert max(map(abs, shifts)) <= 8000
    assert max(shifts) > 6000
    assert min(shifts) < -6000
    assert [(m.sample, m.is_key) for m in moved] == [(m.sample, m.is_key) for m in images]
    assert moved == jittered(images, 8.0, seed=3)
