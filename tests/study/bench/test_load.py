import importlib.util
import math
from pathlib import Path

import pytest
import torch

from mim4d.cli import main
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.study.bench.load import DECODING, READING, LoadTimes, Way, bench_load
from mim4d.study.bench.load_data import CAMERAS, write_bench_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bench") / "data"
    write_bench_data(root, (90, 160))
    return root


def test_the_written_data_set_is_a_clip_of_six_cameras(data: Path, tmp_path: Path) -> None:
    clip = NuscenesDataset(data, frames=3, image_hw=(32, 64), fit="cover", cache_dir=tmp_path)[0]
    assert clip.images.shape == (1, 3, 6, 3, 32, 64)
    assert clip.image_present.all()
    assert clip.valid_boxes.sum() == 3 * 30
    assert clip.valid_points.sum() > 3 * 30_000
    for n, name in enumerate(clip.camera_names):
        angle = math.radians(CAMERAS[name])
        axis = clip.ref_from_camera[0, 2, n, :3, 2]
        expected = torch.tensor([math.cos(angle), math.sin(angle), 0.0])
        torch.testing.assert_close(axis, expected, atol=1e-6, rtol=0)
    # Every picture is another, and none is flat.
    pictures = clip.images.flatten(0, 2).float()
    assert pictures.flatten(1).std(dim=1).min() > 10
    assert len({float(picture.mean()) for picture in pictures}) == 18


def test_rows_of_the_table(data: Path) -> None:
    times = bench_load(data, image_hw=(32, 64), rounds=2)
    assert all(len(way.cpu_ms) == len(way.wall_ms) == 2 for way in times.ways.values())
    assert times.ratio(DECODING) == 1
    text = str(times)
    assert "3 frames × 6 cameras, 160×90 to 64×32 pixels" in text
    assert len(text.splitlines()) == (8 if importlib.util.find_spec("cv2") else 6)


def test_without_opencv(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    times = bench_load(data, image_hw=(32, 64), rounds=1)
    assert list(times.ways) == [DECODING, READING]
    assert "OpenCV is not installed" in str(times)


def test_ratio_is_the_median_of_the_rounds() -> None:
    ways = {DECODING: Way((10.0, 20.0, 30.0), ()), READING: Way((11.0, 26.0, 90.0), ())}
    assert LoadTimes("", ways, True).ratio(READING) == pytest.approx(1.3)


@pytest.mark.parametrize(("reading_ms", "verdict"), [(13.9, "reached"), (14.1, "missed")])
def test_verdict_against_the_aim(reading_ms: float, verdict: str) -> None:
    ways = {DECODING: Way((10.0,), (10.0,)), READING: Way((reading_ms,), (reading_ms,))}
    last = str(LoadTimes("", ways, True)).splitlines()[-1]
    assert last == (
        f"reading the clip takes {reading_ms / 10:.2f} times bare decoding, "
        f"at most 1.40 is the aim: {verdict}"
    )


def test_threads_are_given_back_and_nonsense_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    assert main(["bench", "load", str(data), "--rounds", "0"]) == 2
    assert "--rounds 0" in capsys.readouterr().err
    assert main(["bench", "load", str(data), "--rounds", "1", "--image-size", "32", "64"]) == 0
    assert READING in capsys.readouterr().out
    assert torch.get_num_threads() == before
