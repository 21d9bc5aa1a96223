"""A real keyframe of nuScenes: boxes on the right points, pixels and cells, and through tasks."""

import json
from pathlib import Path

import pytest
import torch

from mim4d.cli import main
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation.flow.truth import inside_boxes
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.importing.write_data_set import ImportOptions, write_data_set
from mim4d.tasks.bev_layers import layer_truth
from tests.importing.mmdet_info import read_info, read_keyframe

_CELLS = VoxelGrid((-50.0, -50.0, -1.0), (50.0, 50.0, 1.0), (200, 200, 1))


@pytest.fixture(scope="module")
def data(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("keyframe") / "data"
    made = write_data_set([read_keyframe(real_data / "nuscenes_keyframe")], out, ImportOptions())
    assert (made.samples, made.linked, made.sweeps, made.boxes) == (1, 6, 1, 69)
    return out


@pytest.fixture
def clip(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clip:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return NuscenesDataset(data, frames=1, key=0, image_hw=(928, 1600))[0]


def test_boxes_hold_the_points_that_the_annotators_counted(clip: Clip) -> None:
    points = clip.points_ref[0, 0][clip.valid_points[0, 0]]
    counts = inside_boxes(points, clip.boxes_ref[0, 0]).sum(dim=0)
    assert clip.box_lidar_points is not None
    told = clip.box_lidar_points[0, 0]
    assert int(told.sum()) > 900
    assert ((counts - told).abs() <= torch.maximum(torch.tensor(2.0), 0.05 * told)).all()


def test_boxes_lie_on_the_pixels_where_another_tool_sees_them(clip: Clip, real_data: Path) -> None:
    """The info file has, for each camera, where the official projection puts each box's centre."""
    (frame,) = read_info(real_data / "nuscenes_keyframe")["data_list"]
    centres = clip.boxes_ref[0, 0, :, :3]
    compared = 0
    for n, name in enumerate(clip.camera_names):
        camera_from_ref = invert_rigid(clip.ref_from_camera[0, 0, n])
        pixels, depth = project(
            clip.intrinsics[0, 0, n], transform_points(camera_from_ref, centres)
        )
        for seen in frame["cam_instances"][name]:
            wanted = torch.tensor(seen["center_2d"]) + 0.5  # there, pixels are counted from middles
            off = (pixels - wanted).norm(dim=1) + (depth - seen["depth"]).abs()
            assert float(off.min()) < 0.1, (name, seen["center_2d"])
            compared += 1
    assert compared == 84


def test_cells_of_vehicles_are_those_under_their_points(clip: Clip) -> None:
    truth = layer_truth(clip, ("vehicle",), _CELLS, 1, 0.5)
    cells = truth.occupied[0, 0]
    points = clip.points_ref[0, 0][clip.valid_points[0, 0]]
    of_vehicles = [clip.category_names[k].startswith("vehicle") for k in clip.box_classes[0, 0]]
    boxes = clip.boxes_ref[0, 0][torch.tensor(of_vehicles)]
    # Where a return lies half a cell's diagonal inside, the cell's centre lies in the box, too.
    boxes[:, 3:6] -= 2 * 0.36
    near = points[_CELLS.contains(points * torch.tensor([1.0, 1.0, 0.0]))]
    hits = inside_boxes(near, boxes).any(dim=1)
    place = _CELLS.to_grid(near[hits])[:, :2].floor().long()
    assert len(place) > 100
    assert cells[place[:, 1], place[:, 0]].all()
    assert 0 < int(cells.sum()) < 2000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "extra"),
    [("detection", []), ("bev_segmentation", ["--head.layers", "vehicle", "pedestrian"])],
)
@pytest.mark.parametrize("source", ["nuscenes_keyframe", "real_video"])
def test_tasks_run_through(
    source: str,
    task: str,
    extra: list[str],
    data: Path,
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    folder = str(data if source == "nuscenes_keyframe" else real_data / source)
    run = tmp_path / "run"
    trained = ["finetune", task, "toy", "--init", "none", "--data", folder, "--out", str(run)]
    assert main([*trained, "--workers", "0", "--device", "cpu", "--optim.steps", "3", *extra]) == 0
    assert main(["evaluate", str(run), "--data", folder, "--allow-training-scenes"]) == 0
    scores = json.loads((run / "evaluation.json").read_text())
    assert scores["classes"] if task == "detection" else scores["rows"]
    assert main(["predict", str(run), folder, "--clips", "1"]) == 0
    assert list((run / "predictions").glob("*.png"))
