"""Are these numbers a LiDAR's points? One test for the reader and for `mim4d check`.

A file of another layout (four or six numbers a point, float64, integers, a header before the
points) may well be a multiple of twenty bytes long, and then reads as points without any error.
What enters is the content of a file, or its rows of x, y, z, intensity, ring as float32; what
leaves is what is wrong with it, in words, or None. Metres.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64

NUMBERS_PER_POINT = 5

AT_SENSOR_M = 0.1
"""A return that is nearer to the sensor's own centre is no return."""
FAR_M = 1000.0
"""No LiDAR measures farther."""
TINY_M = 1e-6
"""Numbers nearer to zero that are not zero: integers or halves of other numbers, seen as floats."""
MAX_ODD_SHARE = 0.01
MAX_REPEATED_SHARE = 0.5
MIN_POINTS = 200
"""Fewer points say nothing about their columns."""

MIN_SPREAD_M = 1.5
"""Points that all lie in so narrow a strip are no surroundings of a car."""

_BLOCKS, _BLOCK_ROWS = 4, 1000
"""What is examined of a sweep: blocks of consecutive points, from its beginning to its end."""
_EXAMINED_NUMBERS = 8_400
_OTHER_WIDTHS = (3, 4, 6, 7, 8, 10)
_MIN_CONTRAST = 50.0
_MIN_RATIO = 3.0

_MAGIC = {
    b"\x93NUMPY": "a numpy file (.npy)",
    b"PK\x03\x04": "a zip or .npz archive",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\x89HDF": "an HDF5 file",
    b"LASF": "a LAS or LAZ file",
    b"ply\n": "a PLY file",
    b"ply\r": "a PLY file",
    b"#ROSBAG": "a ROS bag",
    b"\x89MCAP": "an MCAP file",
    b"PAR1": "a Parquet file",
}
_HEAD_BYTES = 400
_TEXT = frozenset(range(32, 127)) | {9, 10, 13}


def other_format(content: bytes) -> str | None:
    """What another kind of file this is, told by how it begins; None if it may hold points."""
    head = content[:_HEAD_BYTES]
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            return what
    if b"FIELDS" in head and b"VERSION" in head:
        return "a PCD file with its header"
    # Numbers of points do not all look like letters: a header, or points written as text.
    if len(head) >= 40 and _TEXT.issuperset(head[:80]):
        return f"a text, or has a header: it begins {head[:24].decode('ascii')!r}"
    return None


def implausible_values(rows: Float32[np.ndarray, "p 5"]) -> str | None:
    """Why these cannot be x, y, z, intensity, ring of a sweep; None if they may be."""
    columns = _some(rows[:, :3])
    finite = np.isfinite(columns)
    count = max(int(finite.sum()), 1)
    size = np.abs(columns)
    with np.errstate(invalid="ignore"):
        far, tiny = (size > FAR_M) & finite, (size < TINY_M) & (size > 0)
    if far.sum() > MAX_ODD_SHARE * count:
        return (
            f"{far.sum() / count:.0%} of its coordinates are beyond {FAR_M:g} (the largest is "
            f"{size[far].max():.3g}): other units than metres, or other numbers than float32"
        )
    if tiny.sum() > MAX_ODD_SHARE * count:
        return (
            f"{tiny.sum() / count:.0%} of its coordinates are like {size[tiny].max():.1g}: other "
            "numbers than float32 (integers or float64, perhaps)"
        )
    if len(rows) < MIN_POINTS:
        return None
    return _repeats(columns) or _not_coordinates(columns) or _other_width(rows)


def _some(rows: Float32[np.ndarray, "p k"]) -> Float32[np.ndarray, "q k"]:
    """Blocks of consecutive rows, spread over all: a hundred thousand tell no more."""
    if len(rows) <= _BLOCKS * _BLOCK_ROWS:
        return rows
    starts = np.linspace(0, len(rows) - _BLOCK_ROWS, _BLOCKS).astype(int)
    return np.concatenate([rows[start : start + _BLOCK_ROWS] for start in starts])


def at_sensor(columns: Float32[np.ndarray, "3 p"]) -> Bool[np.ndarray, " p"]:
    """Points that lie at the sensor itself: how some drivers write that nothing came back."""
    near: Bool[np.ndarray, " p"] = np.abs(columns).max(axis=0) < AT_SENSOR_M
    return near


def _repeats(columns: Float32[np.ndarray, "p 3"]) -> str | None:
    """Points that are the one before again, those at the sensor aside."""
    same = (columns[1:] == columns[:-1]).all(axis=1)
    same &= ~at_sensor(np.ascontiguousarray(columns[1:].T))
    share = float(same.mean())
    return (
        f"{share:.0%} of its points repeat the one before" if share > MAX_REPEATED_SHARE else None
    )


def _not_coordinates(columns: Float32[np.ndarray, "p 3"]) -> str | None:
    """Columns of whole numbers, of one strip, or of angles are none of metres."""
    real = columns[np.isfinite(columns).all(axis=1)]
    real = real[~at_sensor(np.ascontiguousarray(real.T))]
    if len(real) < MIN_POINTS:
        return None
    low, high = real.min(axis=0), real.max(axis=0)
    for axis, name in enumerate("xyz"):
        values = real[:, axis]
        if np.mean(values == np.round(values)) > 0.99 and low[axis] < high[axis]:
            found = f"{low[axis]:g} to {high[axis]:g}"
            return f"its {name} holds whole numbers alone, {found}: no coordinates"
    # Heights may lie in a narrow strip (a scanner of a single plane), x and y may not.
    for axis, name in enumerate("xy"):
        if high[axis] - low[axis] < MIN_SPREAD_M:
            return f"its {name} stays between {low[axis]:.3g} and {high[axis]:.3g}: no coordinates"
    half_turn = high[1] < 3.15 and low[1] > -3.15 and high[1] - low[1] > 4.0
    if half_turn and low[0] >= 0 and high[0] > 10 and np.abs(real[:, 2]).max() < 1.6:
        return "its columns look like distance, azimuth and elevation, not x, y, z"
    return None


def _other_width(rows: Float32[np.ndarray, "p 5"]) -> str | None:
    """Do the numbers repeat their kind after another number of columns than five?

    With the right number of columns each holds numbers of one kind, and kinds differ: intensity
    is never negative, a ring is whole, heights are small. With a wrong one all columns are alike.
    """
    numbers = rows.ravel()[:_EXAMINED_NUMBERS]
    if len(numbers) < NUMBERS_PER_POINT * MIN_POINTS:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.log(np.clip(np.nan_to_num(np.abs(numbers), posinf=0.0), 1e-3, 1e3))
        kinds = np.stack([numbers < 0, size, numbers == np.round(numbers)]).astype(np.float64)
    powers = np.concatenate([kinds, kinds**2])
    own = _contrast(powers, NUMBERS_PER_POINT)
    contrast, best = max((_contrast(powers, width), width) for width in _OTHER_WIDTHS)
    if contrast > _MIN_CONTRAST and contrast > _MIN_RATIO * own:
        return f"its numbers look like {best} to a point, not {NUMBERS_PER_POINT}"
    return None


def _contrast(powers: Float64[np.ndarray, "twice_kinds p"], width: int) -> float:
    """How much columns differ, were there so many (Fisher's F, the sum over kinds).

    Args:
        powers: Numbers of each kind, then their squares.
        width: Of a point.
    """
    count = powers.shape[1] // width
    values = powers[:, : count * width].reshape(len(powers), count, width)
    # Sums over points as products with ones: numpy's own reduction takes several times as long.
    mean, square = np.split(np.ones(count) @ values / count, 2)
    between = count * mean.var(axis=1) * width / (width - 1)
    within = (square - mean**2).mean(axis=1)
    return float((between / np.maximum(within, 1e-6)).sum())
