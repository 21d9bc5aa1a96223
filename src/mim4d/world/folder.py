"""The folder of a world: what must not be overwritten, sub-folders, README, lists of scenes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from mim4d.world.rig import make_cameras
from mim4d.world.tables import VERSION

README = """# A synthetic drive, written by mim4d

Scenes in the nuScenes v1.0 format (`{version}`); `splits.json` names the training and the held-out
scenes. Made with: {made_with}.

`truth/` is for evaluation only. `truth/distance/samples/<channel>/<image>.png` is a 16-bit PNG of
the same size as the image: Euclidean distance from the camera's centre along the ray through the
pixel's centre, in units of 1/256 m; 0 means that nothing is hit within 255 m.

The ground is the plane z = 0 of `global`. A sweep's points all belong to the pose at its timestamp.
An object is annotated within 60 m of the car while the LiDAR sees it; its visibility is the share
of the LiDAR's rays towards its box that get there. `maps/blank.png` is empty: this world has no map
layer.
"""


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
    if not (out / VERSION).is_dir() or not (out / "truth" / "distance").is_dir():
        raise ValueError(
            f"{out} holds no world of ours and will not be deleted: remove it yourself"
        )


def make_folders(root: Path) -> None:
    """Make the folders that files of samples go to."""
    (root / "samples" / "LIDAR_TOP").mkdir(parents=True)
    for camera in make_cameras(1, 1):
        (root / "samples" / camera.channel).mkdir()
        (root / "truth" / "distance" / "samples" / camera.channel).mkdir(parents=True)


def finish_folder(root: Path, names: dict[str, list[str]], made_with: str) -> None:
    """Write lists of scenes, the empty map and the README."""
    (root / "splits.json").write_text(json.dumps(names, indent=1) + "\n")
    (root / "maps").mkdir()
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(root / "maps" / "blank.png")
    (root / "README.md").write_text(README.format(version=VERSION, made_with=made_with))
