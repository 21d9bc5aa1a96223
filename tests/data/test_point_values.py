"""Files of other layouts, whose sizes divide by twenty, are told from sweeps; sweeps pass."""

from collections.abc import Callable

import numpy as np
import pytest

from mim4d.data.point_values import implausible_values, other_format


def sweep(seed: int = 0, count: int = 6000, intensities: int = 255) -> np.ndarray:
    """A road and a wall as a spinning LiDAR sees them: x, y, z, intensity, ring."""
    rng = np.random.default_rng(seed)
    azimuth = np.sort(rng.uniform(0, 2 * np.pi, count))
    ring = rng.integers(0, 32, count)
    distance = np.where(ring < 20, 3 + ring * 1.5, rng.uniform(8, 60, count))
    z = np.where(ring < 20, -1.8, rng.uniform(-1, 6, count)) + rng.normal(0, 0.02, count)
    shine = rng.integers(0, 256, count) if intensities > 1 else rng.random(count)
    columns = [distance * np.cos(azimuth), distance * np.sin(azimuth), z, shine, ring]
    return np.stack(columns, axis=1).astype(np.float32)


def as_rows(content: bytes) -> np.ndarray:
    return np.frombuffer(content[: len(content) // 20 * 20], np.float32).reshape(-1, 5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("intensities", [255, 1])
def test_sweeps_pass(seed: int, intensities: int) -> None:
    points = sweep(seed, intensities=intensities)
    points[::7, :4] = 0  # nothing came back
    points[3] = np.nan
    assert implausible_values(points) is None
    assert other_format(points.tobytes()) is None
    ringless = np.pad(points[:, :4], ((0, 0), (0, 1)))
    assert implausible_values(ringless) is None
    front = points[points[:, 0] > 0]
    assert implausible_values(front) is None


LAYOUTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "float64": (lambda p: p.astype(np.float64), "beyond 1000"),
    "float64 of three": (lambda p: p[:, :3].astype(np.float64), "beyond 1000"),
    "float16": (lambda p: p.astype(np.float16), "beyond 1000"),
    "big-endian": (lambda p: p.astype(">f4"), "beyond 1000"),
    "millimetres": (lambda p: p * np.float32(1000), "beyond 1000"),
    "integers": (lambda p: (p * 1000).astype(np.int32), "integers"),
    "three": (lambda p: p[:, :3], "look like 3 to a point"),
    "four": (lambda p: p[:, :4], "look like 4 to a point"),
    "six": (lambda p: np.pad(p, ((0, 0), (0, 1))), "look like 6 to a point"),
    "seven": (lambda p: np.hstack([p, p[:, :2] / 9]).astype(np.float32), "look like 7"),
    "ring first": (lambda p: p[:, [4, 0, 1, 2, 3]], "x holds whole numbers"),
    "share first": (lambda p: np.hstack([p[:, 3:4] / 256, p[:, :4]]), "x stays between"),
    "one point": (lambda p: np.tile(p[:1], (len(p), 1)), "repeat the one before"),
    "angles": (
        lambda p: np.stack(
            [np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0]), p[:, 2] / 90, *p.T[3:]], 1
        ),
        "distance, azimuth and elevation",
    ),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", LAYOUTS)
def test_other_layouts_do_not(name: str, seed: int) -> None:
    change, found = LAYOUTS[name]
    rows = as_rows(np.ascontiguousarray(change(sweep(seed))).tobytes())
    assert found in (implausible_values(rows) or "nothing")


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"###\n# .PCD v0.7\nVERSION 0.7\nFIELDS x y z intensity ring\n", "a PCD file"),
        (b"ply\nformat binary_little_endian 1.0\nelement vertex 10\nproperty", "a PLY file"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "a numpy file"),
        (b"1.25 -3.5 0.75 12 4\n" * 8, "a text"),
    ],
)
def test_files_of_another_kind(head: bytes, found: str) -> None:
    assert found in (other_format(head + sweep().tobytes()) or "nothing")
