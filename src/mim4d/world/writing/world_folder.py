"""The folder of a world: built aside, put in place when whole; sub-folders, README, scene names."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mim4d.errors import DataError
from mim4d.files import new_folder_beside
from mim4d.world.sensing.rig import Rig
from mim4d.world.writing.marker import TITLE, is_world
from mim4d.world.writing.table_rows import VERSION

README = """{title}

Scenes in the nuScenes v1.0 format (`{version}`); `splits.json` names the training and the held-out
scenes. Made with: {made_with}.

Timestamps, poses and chains are as in nuScenes: every measurement has its own pose at its own
time; `samples/` holds key frames, `sweeps/` what was measured between them. Where there is a LiDAR,
a camera is triggered when it passes the camera's axis. The ground is the plane z = 0 of `global`. A
sweep's points are expressed in the LiDAR's axes at its timestamp (the end of its turn): the car's
own motion during the turn is compensated, that of other objects is not.

An object is annotated within 60 m of the car if a LiDAR point of the key frame lies in its box or a
pixel of a key image shows it. Its visibility is the share of its own silhouette, over all key
images, that nothing else covers; `num_lidar_pts` is counted in the written points.

`maps/` holds one raster and one vector map (`expansion/`, in the official format) per town; a
scene's `log.location` names its town. `can_bus/` holds the car's own messages in the manner of the
official expansion. Scenes are numbered from {first_training} (training) and from {first_held_out}
(held out), so that the names have four digits as the official tools want them and none is the name
of a nuScenes scene.

`truth/` is for evaluation only; `mim4d.data.truth` reads it. For every image (key frame or sweep)
there is `truth/distance/<path>.png`, 16 bit, of the same size: distance from the camera's centre
along the ray through the pixel's centre in 1/256 m, 0 where nothing is hit within 255 m; and
`truth/instance/<path>.png`, 16 bit: number of the annotated object, 0 for none. For every sweep,
`truth/lidar/<path>.npy` has a row of int32 per point: instance, and how many microseconds before
the timestamp movers stood where the point shows them. `truth/motion/<scene>.npz` has the pose (x,
y, yaw in `global`), velocity and yaw rate of every moving instance at every timestamp, the poses of
the standing ones (instances 1, 2, ...; movers follow), and each instance's token, category and box.
"""
TRUTH = ("distance", "instance", "lidar", "motion")
FIRST_TRAINING, FIRST_HELD_OUT, END = 2000, 8000, 10000


def scene_name(held_out: bool, index: int) -> str:
    """Name of a scene: four digits; the numbers below 2000 are left to nuScenes itself.

    Raises:
        ValueError: There are no numbers left: 6000 training and 2000 held-out scenes are possible.
    """
    first, end = (FIRST_HELD_OUT, END) if held_out else (FIRST_TRAINING, FIRST_HELD_OUT)
    if index >= end - first:
        which = "held-out" if held_out else "training"
        raise ValueError(f"{index + 1} {which} scenes: a world has names for {end - first} of them")
    return f"scene-{first + index:04d}"


def check_target(out: Path, overwrite: bool) -> None:
    """Refuse to touch anything but an empty folder or, if asked to, an earlier world."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ValueError(f"{out} exists and is not a folder: choose another place for the world")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise ValueError(f"{out} is not empty: choose another folder, or ask to overwrite it")
    if not (is_world(out) and (out / VERSION).is_dir()):
        raise ValueError(
            f"{out} holds no world of ours and will not be deleted: remove it yourself"
        )


@contextmanager
def built_aside(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that takes its place once the block has ended without an error.

    Raises:
        DataError: Something could not be written; nothing of it is left, and what `out` held
            before is untouched.
    """
    partial: Path | None = None
    try:
        out = out.resolve()  # a link stays, and what it leads to is replaced
        partial = new_folder_beside(out, ".partial")
        yield partial
        _put_in_place(partial, out)
    except BaseException as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise DataError(
                f"{out}: the world could not be written ({error}); what there was of it has been "
                "removed: free space on the disk, or choose another folder or a smaller world"
            ) from error
        raise


def _put_in_place(partial: Path, out: Path) -> None:
    """Rename, so that at no time `out` holds half of anything."""
    if not out.exists():
        partial.rename(out)
        return
    old = partial.with_suffix(".old")
    out.rename(old)
    try:
        partial.rename(out)
    except BaseException:
        old.rename(out)
        raise
    try:
        shutil.rmtree(old)
    except OSError as error:
        raise DataError(
            f"{out}: the new world is in place, but not all of the earlier one could be removed "
            f"({error}): remove {old} yourself"
        ) from error


def make_folders(root: Path, rig: Rig, with_sweeps: bool) -> None:
    """Make the folders that files of scenes go to."""
    (root / "truth" / "motion").mkdir(parents=True)
    (root / "can_bus").mkdir()
    for folder in ("samples", "sweeps") if with_sweeps else ("samples",):
        for kind in ("distance", "instance"):
            for camera in rig.cameras:
                (root / "truth" / kind / folder / camera.channel).mkdir(parents=True)
                (root / folder / camera.channel).mkdir(parents=True, exist_ok=True)
        if rig.lidar is not None:
            (root / folder / rig.lidar.channel).mkdir()
            (root / "truth" / "lidar" / folder / rig.lidar.channel).mkdir(parents=True)


def finish_folder(root: Path, names: dict[str, list[str]], made_with: str) -> None:
    """Write lists of scenes and the README."""
    (root / "splits.json").write_text(json.dumps(names, indent=1) + "\n")
    text = README.format(
        title=TITLE,
        version=VERSION,
        made_with=made_with,
        first_training=FIRST_TRAINING,
        first_held_out=FIRST_HELD_OUT,
    )
    (root / "README.md").write_text(text)
