"""Exact truth of the embedded world, for evaluation and labels of occupancy.

Pre-training never opens this.

    truth/distance/<image>.png  metres along the ray through the pixel's centre × 256; 0 = none
    truth/instance/<image>.png  instance number of the object the pixel shows; 0 = none
    truth/lidar/<sweep>.npy     per point: instance number, microseconds before the timestamp at
                                which the objects were where the point shows them
    truth/motion/<scene>.npz    see `scene_motion`

Scene flow is the velocity, m/s in `global`, of the surface point that a pixel or a LiDAR point
shows, as part of a rigid body: v + ω × r. The ego car's motion is no part of it, and what stands
has exactly zero. Poses are composed in float64, velocities leave in float32.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from mim4d.data.images.placement import Size
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.scene_motion import SceneMotion
from mim4d.errors import DataError, MissingFileError
from mim4d.geometry.lattices import cell_centres

ROOT = Path("truth")
FOLDER = ROOT / "distance"
UNITS_PER_M = 256
Pose = Float[Tensor, "4 4"]
Length = int | float
Box = tuple[Length, Length, Length, Length]
"""Left, top, right and bottom, pixels of the stored image."""
ShownBox = Callable[[Size], Box]


def has_truth(root: Path) -> bool:
    """Whether a data set carries exact distances."""
    return (root / FOLDER).is_dir()


def has_instances(root: Path) -> bool:
    """Whether a data set carries the object of every pixel."""
    return (root / ROOT / "instance").is_dir()


def _whole(size: Size) -> Box:
    return 0.0, 0.0, size[1], size[0]


def read_distance(
    root: Path, image_file: Path, lattice: Size, shown: ShownBox = _whole
) -> Float[Tensor, "h w"]:
    """Distances at the centres of a lattice of cells that covers what is shown of the image.

    Args:
        root: Data set.
        image_file: Path of the image relative to `root`.
        lattice: Rows and columns of the lattice.
        shown: From the image's rows and columns to the part that is shown; by default all of it.

    Returns:
        Metres along the ray; 0 where there is none.

    Raises:
        DataError: If the file is missing or damaged.
    """
    stored = _read_png(root, "distance", image_file)
    rows, columns = _lattice(lattice, stored.shape, shown)
    return torch.from_numpy(stored[np.ix_(rows, columns)].astype(np.float32)) / UNITS_PER_M


def read_instances(
    root: Path, image_file: Path, lattice: Size, shown: ShownBox = _whole
) -> Int64[Tensor, "h w"]:
    """Instance numbers at the centres of a lattice of cells, as `read_distance`; 0 for none.

    Args and errors as for `read_distance`; `SceneMotion` says what a number stands for.
    """
    stored = _read_png(root, "instance", image_file)
    rows, columns = _lattice(lattice, stored.shape, shown)
    return torch.from_numpy(stored[np.ix_(rows, columns)].astype(np.int64))


def read_motion(tables: NuscenesTables, scene: int) -> SceneMotion:
    """The rigid motion of every instance of a scene.

    Args:
        tables: The data set.
        scene: Row of the scene.

    Raises:
        DataError: If the file is missing or damaged.
    """
    return SceneMotion.load(tables.root / ROOT / "motion" / f"{tables.scene(scene).name}.npz")


def read_scene_flow(
    tables: NuscenesTables,
    row: int,
    motion: SceneMotion,
    lattice: Size,
    frame_from_global: Pose | None = None,
    shown: ShownBox = _whole,
) -> tuple[Float[Tensor, "h w 3"], Bool[Tensor, "h w"]]:
    """Velocity of what each cell of a lattice over an image shows, and where anything is shown.

    The lattice reads the same pixels as `read_distance`.

    Args:
        tables: The data set.
        row: Row of the image in `sample_data`.
        motion: Of the image's scene, see `read_motion`.
        lattice: Rows and columns of the lattice.
        frame_from_global: Give velocities along this frame's axes (still relative to the ground).
        shown: From the image's rows and columns to the part that is shown; by default all of it.

    Returns:
        Metres per second in `global` or along the frame's axes (zero where nothing is hit), and
        whether anything is.

    Raises:
        DataError: If a file is missing or damaged.
    """
    record = tables.sample_data(row)
    file = Path(record.filename)
    distance_m = read_distance(tables.root, file, lattice, shown).numpy().astype(np.float64)
    instances = read_instances(tables.root, file, lattice, shown).numpy()
    rows, columns = _lattice(lattice, (record.height_px, record.width_px), shown)
    u, v = np.meshgrid(columns + 0.5, rows + 0.5)
    intrinsics = tables.intrinsics(np.array([row]))[0].numpy()
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(intrinsics).T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    points = _to_global(tables, row, (rays * distance_m[..., None]).reshape(-1, 3))
    times = np.full(len(points), record.timestamp_us)
    flow = motion.velocities(instances.ravel(), times, points).reshape(*instances.shape, 3)
    return _along(flow, frame_from_global), torch.from_numpy(distance_m > 0.0)


def read_point_instances(
    tables: NuscenesTables, row: int
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """Instance number of each stored point of a sweep, and when the objects were there (µs).

    Args:
        tables: The data set.
        row: Row of the sweep in `sample_data`.

    Raises:
        DataError: If a file is missing or damaged.
    """
    record = tables.sample_data(row)
    path = _truth_file(tables.root, "lidar", Path(record.filename), ".npy")
    if not path.is_file():
        raise MissingFileError(
            f"{path}: exact instances of {record.filename} not found; make the world anew"
        )
    try:
        stored = np.load(path, allow_pickle=False).astype(np.int64)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable array ({error}); make the world anew") from error
    if stored.ndim != 2 or stored.shape[1] != 2:
        raise DataError(f"{path}: an array of shape {stored.shape}, expected (points, 2)")
    return torch.from_numpy(stored[:, 0]), torch.from_numpy(record.timestamp_us - stored[:, 1])


def read_point_flow(
    tables: NuscenesTables,
    row: int,
    motion: SceneMotion,
    frame_from_global: Pose | None = None,
) -> Float[Tensor, "p 3"]:
    """Velocity of what each stored point of a sweep lies on, m/s in `global`.

    All points count, in the order of the file, those on the car itself included.

    Args:
        tables: The data set.
        row: Row of the sweep in `sample_data`.
        motion: Of the sweep's scene, see `read_motion`.
        frame_from_global: Give velocities along this frame's axes (still relative to the ground).

    Raises:
        DataError: If a file is missing or damaged.
    """
    instances, times_us = read_point_instances(tables, row)
    path = tables.root / tables.sample_data(row).filename
    points = np.fromfile(path, dtype=np.float32).reshape(-1, 5)[:, :3].astype(np.float64)
    if len(points) != len(instances):
        raise DataError(
            f"{path} has {len(points)} points, its truth {len(instances)}: make the world anew"
        )
    points = _to_global(tables, row, points)
    flow = motion.velocities(instances.numpy(), times_us.numpy(), points)
    return _along(flow, frame_from_global)


def _along(flow: Float[np.ndarray, "*p 3"], frame_from_global: Pose | None) -> Tensor:
    velocities = torch.from_numpy(flow)
    if frame_from_global is not None:
        velocities = velocities @ frame_from_global[:3, :3].double().T
    return velocities.float()


def _to_global(
    tables: NuscenesTables, row: int, points: Float[np.ndarray, "p 3"]
) -> Float[np.ndarray, "p 3"]:
    """Points in a sensor's axes at its own time."""
    rows = np.array([row])
    pose = (tables.global_from_ego(rows) @ tables.ego_from_sensor(rows))[0].numpy()
    moved: Float[np.ndarray, "p 3"] = points @ pose[:3, :3].T + pose[:3, 3]
    return moved


def _truth_file(root: Path, kind: str, file: Path, ending: str) -> Path:
    return root / ROOT / kind / file.parent / (file.name.split(".")[0] + ending)


def _read_png(root: Path, kind: str, image_file: Path) -> NDArray[Any]:
    path = _truth_file(root, kind, image_file, ".png")
    if not path.is_file():
        raise MissingFileError(
            f"{path}: exact {kind} of {image_file} not found; make the world anew"
        )
    try:
        with Image.open(path) as file:
            return np.asarray(file, dtype=np.int32)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: not a readable PNG ({error}); make the world anew") from error


def _lattice(
    lattice: Size, size: tuple[int, ...], shown: ShownBox = _whole
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row and column of the stored pixel under each cell's centre."""
    left, top, right, bottom = shown((size[0], size[1]))
    v, u = (cell_centres((cells,), dtype=torch.float64)[:, 0].numpy() for cells in lattice)
    rows = top + v / lattice[0] * (bottom - top)
    columns = left + u / lattice[1] * (right - left)
    return rows.astype(int), columns.astype(int)
