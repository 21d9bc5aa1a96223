"""Maps as part of a clip: the right place, the right errors; and a real map, converted."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.clip import collate
from mim4d.data.maps.map_layers import rasterise
from mim4d.data.maps.scene_maps import has_maps
from mim4d.data.maps.vector_map import VectorMap, centred
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError, MissingFileError
from tests.data.maps.test_vector_map import pose
from tests.data.tiny_dataset import Rows, edit_table
from tests.data.tiny_map import MapBuilder, tiny_map


def dataset(root: Path, **options: object) -> NuscenesDataset:
    chosen: dict[str, object] = {"frames": 2, "image_hw": (41, 65), "map_range_m": (60.0, 30.0)}
    return NuscenesDataset(root, **{**chosen, **options})  # type: ignore[arg-type]


def test_a_clip_carries_the_map_of_its_key_frame(tiny: Path) -> None:
    tiny_map().write(tiny, "nowhere")
    data = dataset(tiny)
    for clip in (data[0], data[3]):
        assert clip.maps is not None
        (patch,) = clip.maps
        # The car has driven 1 m per keyframe; the crossing begins at y = 2005.
        driven = 2000 + 1.0 * int(clip.key_tokens[0][-1])
        (crossing,) = patch.polygons("ped_crossing")
        assert crossing.bounds == pytest.approx((2005 - driven, -6, 2008 - driven, 6))
    assert has_maps(data.tables)


def test_no_map_unless_asked_for(tiny: Path) -> None:
    data = dataset(tiny, map_range_m=None)
    assert data[0].maps is None
    assert not has_maps(data.tables)


def test_a_map_of_some_places_only_is_said_to_be_unused(
    tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny_map().write(tiny, "nowhere")

    def elsewhere(rows: Rows) -> None:
        rows.append({**rows[0], "token": "log1", "location": "elsewhere"})

    edit_table(tiny, "log", elsewhere)
    edit_table(tiny, "scene", lambda rows: rows[1].update(log_token="log1"))
    assert not has_maps(NuscenesTables.open(tiny))
    assert "no map of elsewhere: none is used" in caplog.text


def test_maps_are_joined(tiny: Path) -> None:
    tiny_map().write(tiny, "nowhere")
    data = dataset(tiny)
    batch = collate([data[0], data[1]]).to("cpu")
    assert batch.maps is not None
    starts = [patch.polygons("ped_crossing")[0].bounds[0] for patch in batch.maps]
    assert starts == pytest.approx([4, 3])
    bare = dataset(tiny, map_range_m=None)
    assert collate([bare[0], bare[1]]).maps is None
    with pytest.raises(ValueError, match="all have a map, or none"):
        collate([data[0], bare[1]])


def test_a_missing_map_names_scene_place_and_file(tiny: Path) -> None:
    with pytest.raises(MissingFileError) as caught:
        dataset(tiny)
    expected = tiny / "maps" / "expansion" / "nowhere.json"
    assert f"scene tiny-0, location 'nowhere': its map {expected} was not found" in str(
        caught.value
    )


def test_a_scene_without_location(tiny: Path) -> None:
    edit_table(tiny, "log", lambda rows: rows[0].pop("location"))
    with pytest.raises(MissingFileError, match="location 'unknown'"):
        dataset(tiny)


def test_a_damaged_map_is_found_at_once(tiny: Path) -> None:
    tiny_map().write(tiny, "nowhere").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        dataset(tiny)


def test_a_senseless_range(tiny: Path) -> None:
    with pytest.raises(ValueError, match="map_range_m is"):
        dataset(tiny, map_range_m=(0.0, 30.0))


@pytest.fixture(scope="session")
def av2_map(real_data: Path) -> dict:
    return json.loads(
        next((real_data / "av2_log" / "map").glob("log_map_archive_*.json")).read_text()
    )


def points(vertices: list[dict[str, float]]) -> list[tuple[float, float]]:
    return [(vertex["x"], vertex["y"]) for vertex in vertices]


def converted(av2: dict) -> MapBuilder:
    """An Argoverse 2 map in the nuScenes layout."""
    made = MapBuilder()
    for area in av2["drivable_areas"].values():
        made.area("drivable_area", points(area["area_boundary"]))
    for crossing in av2["pedestrian_crossings"].values():
        made.area("ped_crossing", points(crossing["edge1"]) + points(crossing["edge2"])[::-1])
    for lane in av2["lane_segments"].values():
        left, right = points(lane["left_lane_boundary"]), points(lane["right_lane_boundary"])
        made.area("road_segment" if lane["is_intersection"] else "lane", left + right[::-1])
        if lane["left_lane_mark_type"] != "NONE":
            made.divider("lane_divider", left)
    return made


def test_a_real_map_on_its_lanes(real_data: Path, av2_map: dict, tmp_path: Path) -> None:
    converted(av2_map).write(tmp_path, "city")
    opened = VectorMap.open(tmp_path, "city")
    lanes = [lane for lane in av2_map["lane_segments"].values() if not lane["is_intersection"]]
    for lane in lanes[::12]:
        left, right = (
            np.array(points(lane[f"{side}_lane_boundary"])) for side in ("left", "right")
        )
        middle = (left[0] + right[0]) / 2
        ahead = (left[-1] + right[-1]) / 2 - middle
        x, y = (middle + 0.3 * ahead).tolist()
        at = pose(x, y, float(np.arctan2(ahead[1], ahead[0])))
        patch = opened.patch(at, centred(60, 30))
        drivable, walkway = rasterise(patch, (60, 120), ("drivable_area", "walkway"))
        # A lane's middle is on the road, and everything painted lies on it or at its edge.
        assert drivable[29:31, 59:61].all()
        assert drivable.float().mean() > 0.15
        assert not walkway.any()
        lines = [*patch.polylines("lane_divider"), *patch.polylines("road_boundary")]
        assert (torch.cat(lines).abs() <= torch.tensor([30.001, 15.001])).all()
        assert all((a != b).any() for line in lines for a, b in pairwise(line))
