"""The world's maps through the reader: cars drive on the road, the ego car on a lane's centre."""

from pathlib import Path

import pytest
import shapely
import torch

from mim4d.data.nuscenes import NuscenesDataset


@pytest.fixture(scope="module")
def clips(world: Path, tmp_path_factory: pytest.TempPathFactory) -> NuscenesDataset:
    cache = tmp_path_factory.mktemp("cache")
    return NuscenesDataset(
        world, frames=1, image_hw=(48, 80), map_range_m=(80.0, 60.0), cache_dir=cache
    )


def test_cars_drive_on_the_road(clips: NuscenesDataset) -> None:
    moving = on_road = 0
    for clip in (clips[i] for i in range(len(clips))):
        assert clip.maps is not None
        drivable = shapely.union_all(clip.maps[0].polygons("drivable_area"))
        assert drivable.contains(shapely.Point(0, 0))
        boxes = clip.boxes_ref[0, 0][clip.valid_boxes[0, 0]]
        classes = clip.box_classes[0, 0][clip.valid_boxes[0, 0]].tolist()
        names = [clips.category_names[kind] for kind in classes]
        for box, name in zip(boxes, names, strict=True):
            inside = bool((box[:2].abs() < torch.tensor([38.0, 28.0])).all())
            if inside and name.startswith("vehicle") and box[7:9].norm() > 1:
                moving += 1
                on_road += bool(drivable.contains(shapely.Point(box[:2].tolist())))
    assert moving > 5
    assert on_road == moving


def test_the_ego_car_follows_a_lane_centre(clips: NuscenesDataset) -> None:
    for clip in (clips[i] for i in range(len(clips))):
        assert clip.maps is not None
        lines = [line for line in clip.maps[0].polylines("lane_centre") if len(line) > 1]
        nearest = min(
            shapely.LineString(line.numpy()).distance(shapely.Point(0, 0)) for line in lines
        )
        assert nearest < 0.6


def test_kerbs_close_the_road(clips: NuscenesDataset) -> None:
    """There are kerbs around, and none of them crosses the drivable area."""
    for clip in (clips[i] for i in range(len(clips))):
        assert clip.maps is not None
        kerbs = shapely.union_all(
            [shapely.LineString(k.numpy()) for k in clip.maps[0].polylines("road_boundary")]
        )
        drivable = shapely.union_all(clip.maps[0].polygons("drivable_area"))
        interior = drivable.buffer(-0.3)
        assert kerbs.length > 50
        assert kerbs.intersection(interior).length < 0.5
