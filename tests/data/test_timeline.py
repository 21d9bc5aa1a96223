import numpy as np

from mim4d.data.timeline import assign_nearest, nearest_within


def test_nearest_within_half_an_interval() -> None:
    times = np.array([0, 100, 200, 300])
    wanted = np.array([-60, -50, 149, 150, 151, 349, 350])
    # -60 and 350 lie too far; 150 is a tie and takes the earlier; 350 - 300 = 50 is excluded below.
    assert nearest_within(times, wanted, 50.0).tolist() == [-1, -1, 1, 1, 2, 3, 3]
    assert nearest_within(times, np.array([351]), 50.0).tolist() == [-1]


def test_nearest_within_never_repeats_on_a_regular_raster() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        times = np.sort(rng.integers(0, 1000, size=30))
        wanted = np.arange(0, 1000, 40) + rng.integers(0, 40)
        chosen = nearest_within(times, wanted, 20.0)
        found = chosen[chosen >= 0]
        assert len(set(times[found])) == len(found)
        assert (np.abs(times[found] - wanted[chosen >= 0]) <= 20).all()


def test_nearest_within_of_one_and_of_no_time() -> None:
    assert nearest_within(np.array([5]), np.array([4, 20]), 3.0).tolist() == [0, -1]
    assert nearest_within(np.zeros(0), np.array([4, 20]), 3.0).tolist() == [-1, -1]


def test_assign_nearest_never_gives_a_time_away_twice() -> None:
    # Both want 5.0; the nearer gets it, the other the next nearest.
    assert assign_nearest(np.array([5.0, 6.2]), np.array([4.0, 5.5]), 3.0).tolist() == [1, 0]
    # Nothing else is near enough: none.
    assert assign_nearest(np.array([5.0, 6.2]), np.array([4.0, 5.5]), 2.0).tolist() == [-1, 0]
    assert assign_nearest(np.array([5.0]), np.array([4.0, 7.0]), 9.0).tolist() == [0, -1]


def test_assign_nearest_counts_the_tolerance_in_and_ignores_nan() -> None:
    assert assign_nearest(np.array([10]), np.array([np.nan, 5.0]), 5.0).tolist() == [-1, 0]
    assert assign_nearest(np.zeros(0), np.array([5.0]), 5.0).tolist() == [-1]
