"""The embedded world's truth for one frame of the tiny data set, chosen by the column of pixels."""

from pathlib import Path

import numpy as np
from PIL import Image

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.truth.exact import ROOT

NUMBERS = np.repeat([0, 1, 2, 3, 0], [13, 13, 13, 13, 13])
"""By column: nothing, a house, a car at 3 m/s along global +y, one that turns at 0.2 rad/s."""


def write_exact_truth(root: Path, dataset: NuscenesDataset, frame: int) -> None:
    """Distance 5 m everywhere in the front camera of clip 0, whose pixels show `NUMBERS`."""
    file = dataset.image_files(0)[frame][0]
    assert file is not None
    for kind, values in (("distance", np.full(65, 5 * 256)), ("instance", NUMBERS)):
        path = (root / ROOT / kind / file).with_suffix(".png")
        path.parent.mkdir(parents=True)
        Image.fromarray(np.broadcast_to(values, (41, 65)).astype(np.uint16)).save(path)
    # The turning one is 5 m from the camera on: its surface moves at 1 m/s.
    poses = np.zeros((2, 2, 3))
    poses[0, :, 1] = [0.0, 30.0]
    poses[1, :, :2] = [1000.0, 2000.0]
    poses[1, :, 2] = [0.0, 2.0]
    motion = root / ROOT / "motion" / f"{dataset.scene_name(0)}.npz"
    motion.parent.mkdir()
    np.savez(
        motion,
        times_us=dataset.plan(0).times_us[frame] + np.array([-5_000_000, 5_000_000]),
        tokens=np.array(["", "", ""]),
        categories=np.array(["house", "vehicle.car", "vehicle.bus.rigid"]),
        box_centres_m=np.zeros((3, 3)),
        box_sizes_lwh_m=np.ones((3, 3)),
        standing_poses=np.zeros((1, 3)),
        moving_poses=poses,
        moving_velocities=np.array([[[0.0, 3.0]] * 2, [[0.0, 0.0]] * 2]),
        moving_yaw_rates=np.array([[0.0, 0.0], [0.2, 0.2]]),
    )
