"""Runs in the devkit's own environment: read a world with the official tools, compare, draw.

    python devkit_official.py DATA OUT

`devkit_check.py` wrote what our reader says of DATA to `OUT/ours.json` and `OUT/ours_maps.npz`.
Prints one line per check, writes pictures to OUT, and exits with status 1 if a check fails.
"""

import itertools
import json
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from nuscenes.can_bus.can_bus_api import NuScenesCanBus
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.map_expansion.arcline_path_utils import discretize_lane
from nuscenes.map_expansion.map_api import NuScenesMap
from nuscenes.nuscenes import NuScenes
from nuscenes.utils import splits as official_splits
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box

DETECTION_CLASSES = {
    *("car", "truck", "bus", "trailer", "construction_vehicle", "pedestrian", "motorcycle"),
    *("bicycle", "traffic_cone", "barrier"),
}
ERRORS = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
VELOCITY_TOLERANCE = 1e-6
SCORE_TOLERANCE = 1e-6


class OfficialCheck:
    """The checks, in order; each returns what it found in a few words or raises."""

    def __init__(self, data: Path, ours: dict[str, Any], out: Path) -> None:
        self.data, self.ours, self.out = data, ours, out
        self.nusc = NuScenes(version=ours["version"], dataroot=str(data), verbose=False)

    def tables(self) -> str:
        """Every list the devkit can print."""
        self.nusc.list_scenes()
        self.nusc.list_categories()
        self.nusc.list_attributes()
        self.nusc.list_sample(self.nusc.sample[0]["token"])
        return f"{len(self.nusc.scene)} scenes, {len(self.nusc.sample_data)} measurements"

    def classes(self) -> str:
        """Categories are those the official evaluation knows."""
        found = {category_to_detection_name(row["name"]) for row in self.nusc.category} - {None}
        assert found == DETECTION_CLASSES, f"missing {DETECTION_CLASSES - found}"
        return f"{len(found)} detection classes"

    def velocities(self) -> str:
        """The devkit's velocity of every annotation equals ours."""
        worst, known = 0.0, 0
        for token, expected in self.ours["velocity"].items():
            found = self.nusc.box_velocity(token)
            if expected is None:
                assert np.isnan(found).all(), f"{token}: devkit {found}, ours unknown"
                continue
            known += 1
            worst = max(worst, float(np.abs(found - np.array(expected)).max()))
        assert worst < VELOCITY_TOLERANCE, f"largest difference {worst}"
        return f"{known} of {len(self.ours['velocity'])} known, largest difference {worst:.1e} m/s"

    def lidar_counts(self) -> str:
        """`num_lidar_pts` equals the points the devkit finds inside the boxes."""
        boxes = 0
        for sample in self.nusc.sample[:: max(1, len(self.nusc.sample) // 8)]:
            path, found, _ = self.nusc.get_sample_data(sample["data"]["LIDAR_TOP"])
            points = LidarPointCloud.from_file(path).points[:3]
            for box in found:
                row = self.nusc.get("sample_annotation", box.token)
                inside = int(points_in_box(box, points).sum())
                # A point on the very face may fall on either side by rounding.
                assert abs(inside - row["num_lidar_pts"]) <= 1, (box.token, inside, row)
                boxes += 1
        return f"{boxes} boxes"

    def sweeps(self) -> str:
        """Several sweeps in one cloud."""
        sample = self.nusc.get("sample", self.nusc.scene[0]["last_sample_token"])
        cloud, times = LidarPointCloud.from_file_multisweep(
            self.nusc, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=5
        )
        assert len(np.unique(times)) == 5, f"{len(np.unique(times))} sweeps found"
        return f"{cloud.nbr_points()} points of {len(np.unique(times))} sweeps"

    def pictures(self) -> str:
        """A sample, LiDAR in an image, a box."""
        sample = self.nusc.sample[len(self.nusc.sample) // 2]
        self.nusc.render_sample(sample["token"], out_path=str(self.out / "sample.png"))
        self.nusc.render_pointcloud_in_image(
            sample["token"], dot_size=3, out_path=str(self.out / "lidar_in_image.png")
        )
        self.nusc.render_annotation(sample["anns"][0], out_path=str(self.out / "annotation.png"))
        plt.close("all")
        return "sample.png, lidar_in_image.png, annotation.png"

    def raster(self) -> str:
        """The car drives on the map's raster."""
        for scene in self.nusc.scene:
            mask = self.nusc.get("map", self.nusc.get("log", scene["log_token"])["map_token"])
            x, y, _ = self._pose(scene["first_sample_token"])["translation"]
            assert mask["mask"].is_on_mask(x, y).all(), f"{scene['name']} starts off the map"
        return f"{len(self.nusc.scene)} scenes start on it"

    def vector_map(self) -> str:
        """Masks of the official map API agree with ours but for cells at an edge."""
        maps, names = np.load(self.out / "ours_maps.npz"), list(self.ours["layers"])
        cells = 0
        for scene in self.nusc.scene:
            api = self._map_api(scene)
            found = api.get_map_mask(
                self._patch(scene), self._heading(scene), names, maps[scene["name"]].shape[1:]
            )
            for name, theirs, ours in zip(names, found, maps[scene["name"]], strict=True):
                apart = disagreement(theirs.astype(bool), ours)
                assert apart == 0, f"{scene['name']}: {apart} cells of {name} differ"
                cells += int(ours.sum())
                assert name != "drivable_area" or ours.any(), f"{scene['name']}: no road"
        return f"{', '.join(names)}: {cells} cells agree"

    def map_pictures(self) -> str:
        """A patch from above, layers over an image, the lanes' centre lines."""
        scene = self.nusc.scene[0]
        api, (x, y, side, _) = self._map_api(scene), self._patch(scene)
        layers = ["drivable_area", "ped_crossing", "walkway", "lane_divider", "road_divider"]
        around = (x - side, y - side, x + side, y + side)
        api.render_map_patch(around, layers)[0].savefig(self.out / "map.png")
        api.render_map_in_image(
            self.nusc,
            scene["first_sample_token"],
            layer_names=["drivable_area", "ped_crossing", "walkway"],
            out_path=str(self.out / "map_in_image.png"),
        )
        api.render_centerlines(resolution_meters=1.0)
        plt.savefig(self.out / "centre_lines.png")
        plt.close("all")
        lane = api.get_closest_lane(x, y, radius=10.0)
        length = len(discretize_lane(api.get_arcline_path(lane), resolution_meters=1.0))
        return f"map.png, map_in_image.png, centre_lines.png; the car's lane is {length} m long"

    def can_bus(self) -> str:
        """Ego state from the CAN bus API, speed against the poses."""
        bus = NuScenesCanBus(dataroot=str(self.data))
        scene = self.nusc.scene[0]
        messages = bus.get_messages(scene["name"], "pose")
        poses = [self._pose(token) for token in self._samples(scene)]
        for before, after in itertools.pairwise(poses):
            way = math.dist(before["translation"][:2], after["translation"][:2])
            elapsed = (after["timestamp"] - before["timestamp"]) * 1e-6
            span = [m for m in messages if before["timestamp"] <= m["utime"] <= after["timestamp"]]
            speed = float(np.mean([m["vel"][0] for m in span]))
            assert abs(speed - way / elapsed) < 0.15, (speed, way / elapsed)
        return f"{len(messages)} messages"

    def detection_score(self) -> str:
        """The official tool scores our submission as we do."""
        ours = self.ours["scores"]
        splits = self.out / "splits.json"
        splits.write_text(json.dumps({"all": ours["scenes"]}))
        # The tool looks for it among the tables; data sets are not written to here.
        official_splits._get_custom_splits_file_path = lambda nusc: str(splits)
        evaluation = DetectionEval(
            self.nusc,
            config_factory("detection_cvpr_2019"),
            str(self.out / "submission.json"),
            "all",
            str(self.out / "official"),
            verbose=False,
        )
        found = evaluation.evaluate()[0].serialize()
        theirs = [found["nd_score"], found["mean_ap"]]
        theirs += [found["tp_errors"][name] for name in ERRORS]
        apart = float(
            np.abs(np.subtract(theirs, [ours["nds"], ours["mean_ap"], *ours["errors"]])).max()
        )
        assert apart < SCORE_TOLERANCE, f"official {theirs}, ours {ours}"
        return f"NDS {found['nd_score']:.6f}, mAP {found['mean_ap']:.6f}, apart by {apart:.1e}"

    def _samples(self, scene: dict[str, Any]) -> list[str]:
        tokens, token = [], scene["first_sample_token"]
        while token:
            tokens.append(token)
            token = self.nusc.get("sample", token)["next"]
        return tokens

    def _pose(self, sample: str) -> dict[str, Any]:
        lidar = self.nusc.get("sample_data", self.nusc.get("sample", sample)["data"]["LIDAR_TOP"])
        return self.nusc.get("ego_pose", lidar["ego_pose_token"])

    def _map_api(self, scene: dict[str, Any]) -> NuScenesMap:
        return NuScenesMap(str(self.data), self.nusc.get("log", scene["log_token"])["location"])

    def _patch(self, scene: dict[str, Any]) -> tuple[float, float, float, float]:
        """Patch of the map API around a scene's start: centre x, y, height, width."""
        x, y, _ = self._pose(scene["first_sample_token"])["translation"]
        return x, y, self.ours["side_m"], self.ours["side_m"]

    def _heading(self, scene: dict[str, Any]) -> float:
        """Degrees counter-clockwise from east."""
        w, x, y, z = self._pose(scene["first_sample_token"])["rotation"]
        return math.degrees(math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def disagreement(theirs: NDArray[np.bool_], ours: NDArray[np.bool_]) -> int:
    """Cells of one mask farther than two cells from the other (its pixels round to either side)."""
    wide = np.ones((5, 5), np.uint8)
    first, second = theirs.astype(np.uint8), ours.astype(np.uint8)
    near_first, near_second = (cv2.dilate(mask, wide).astype(np.bool_) for mask in (first, second))
    return int((theirs & ~near_second | ours & ~near_first).sum())


def main() -> int:
    """Run every check; a failed one does not keep the others from running."""
    data, out = (Path(argument) for argument in sys.argv[1:])
    check = OfficialCheck(data, json.loads((out / "ours.json").read_text()), out)
    steps: list[Callable[[], str]] = [
        *(check.tables, check.classes, check.velocities, check.lidar_counts, check.sweeps),
        *(check.pictures, check.raster, check.vector_map, check.map_pictures),
        *(check.can_bus, check.detection_score),
    ]
    failed = 0
    for step in steps:
        try:
            print(f"ok    {step.__name__}: {step()}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {step.__name__}", flush=True)
            traceback.print_exc()
    print(f"{len(steps) - failed} of {len(steps)} checks passed; pictures in {out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
