"""From a folder of any rig to a data set, its clips, and a picture.

    python examples/import_and_look.py FOLDER DATA PICTURE.png

FOLDER is as `mim4d import rig --template FOLDER` shows it: cameras.yaml, poses.csv, images by
camera. The same on the command line: `mim4d import rig FOLDER --out DATA; mim4d view DATA`.
"""

import sys
from pathlib import Path

from mim4d import NuscenesDataset
from mim4d.importing.rig_folder import read_rig_folder
from mim4d.importing.write_data_set import ImportOptions, write_data_set
from mim4d.viz.clip_picture import view_data


def main(folder: Path, data: Path, picture: Path) -> None:
    """Import, open, look."""
    drives = read_rig_folder(folder)
    made = write_data_set(drives, data, ImportOptions(keyframe_interval_s=0.5, held_out=0.2))
    print(*made.notes, sep="\n")

    clips = NuscenesDataset(data, frames=2, image_hw=(256, 448), lidar=None)
    clip = clips[0]
    print(f"{len(clips)} clips of cameras {', '.join(clip.camera_names)}")
    for camera, pose in zip(clip.camera_names, clip.ref_from_camera[0, -1], strict=True):
        x, y, z = pose[:3, 3].tolist()
        print(
            f"{camera}: at {x:.2f} m ahead, {y:.2f} m left, {z:.2f} m up when the image was taken"
        )

    view_data(
        data,
        picture,
        index=0,
        frames=2,
        frame_interval_s=None,
        image_hw=(256, 448),
        lidar=None,
        version=None,
    )
    print(picture)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
