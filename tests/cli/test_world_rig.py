"""`mim4d world --rig`: what the file says is what the tables and the images hold."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from mim4d.cli import main
from mim4d.cli.world_rig import read_world_rig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rig.yaml"
FRONT: dict[str, Any] = {
    "size_px": [48, 32],
    "lens": {"model": "pinhole", "horizontal_deg": 90},
    "position_m": [1.5, 0.1, 1.4],
    "looks_deg": {"yaw": 0},
    "simulated": {"rate_hz": 7, "jitter_ms": 5},
}
SIDE = {
    **FRONT,
    "size_px": [24, 40],
    "lens": {"model": "pinhole", "focal_px": [20.0, 21.0], "centre_px": [11.5, 19.5]},
    "looks_deg": {"yaw": 100, "pitch": -5},
    "simulated": {},
}
LIDAR = {"TOP": {"position_m": [1.0, 0.0, 2.0], "looks_deg": {"yaw": 30}}}


def rig_file(folder: Path, **sections: Any) -> Path:
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump({"cameras": {"front": FRONT, "side": SIDE}, **sections}))
    return path


def test_the_example_reads() -> None:
    rig = read_world_rig(EXAMPLE)
    front, wide = rig.cameras[:2]
    assert (front.channel, front.size_hw, front.rate_hz) == ("CAM_FRONT", (256, 480), 10.0)
    view = 2 * math.degrees(math.atan(front.size_hw[1] / 2 / front.intrinsics[0, 0]))
    assert view == pytest.approx(70.0)
    assert wide.jitter_ms == 8.0
    assert rig.lidar is not None
    assert (rig.lidar.beams, rig.lidar.azimuths, rig.lidar.rate_hz) == (64, 1024, 10.0)
    assert (rig.lidar.ego_from_lidar[:3, 3] == [0.8, 0.0, 2.0]).all()


def test_pixels_of_a_file_count_from_the_first_centre_as_an_importer_counts_them(
    tmp_path: Path,
) -> None:
    camera = read_world_rig(rig_file(tmp_path)).cameras[1]
    np.testing.assert_allclose(camera.intrinsics, [[20, 0, 12], [0, 21, 20], [0, 0, 1]])


def test_a_fisheye_becomes_the_views_that_an_importer_makes_of_it(tmp_path: Path) -> None:
    lens = {
        "model": "fisheye",
        "focal_px": [60.0, 60.0],
        "centre_px": [100.0, 100.0],
        "first_pixel_centre": 0.5,
        "coefficients": [0.0, 0.0, 0.0, 0.0],
    }
    camera = {**FRONT, "size_px": [200, 200], "lens": lens}
    rig = read_world_rig(rig_file(tmp_path, cameras={"side": camera}))
    assert [view.channel for view in rig.cameras] == ["side_1", "side_2"]
    ahead = np.array([view.ego_from_camera[:3, 2] for view in rig.cameras])
    assert ahead[0, 1] > 0.5  # one looks to the left, one to the right
    assert ahead[1, 1] == pytest.approx(-ahead[0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("lidar", [False, True])
def test_a_world_of_another_rig(tmp_path: Path, lidar: bool) -> None:
    simulated = {"beams": 4, "elevation_deg": [-20, 0], "azimuths": 90}
    sections = {"lidar": {"TOP": {**LIDAR["TOP"], "simulated": simulated}}} if lidar else {}
    path, out = rig_file(tmp_path, **sections), tmp_path / "world"
    options = ["--scenes", "1", "--held-out", "0", "--samples-per-scene", "3", "--workers", "1"]
    assert main(["world", str(out), "--rig", str(path), *options]) in (0, None)
    tables = NuscenesTables.open(out)
    assert set(tables.channels("camera")) == {"front", "side"}
    assert tables.channels("lidar") == (("TOP",) if lidar else ())
    sizes = {p.parent.name: Image.open(p).size for p in out.glob("samples/*/*.jpg")}
    assert sizes == {"front": (48, 32), "side": (24, 40)}
    assert len(list(out.glob("s*/front/*.jpg"))) == 8  # 1 s at 7 Hz
    assert len(list(out.glob("s*/side/*.jpg"))) == 3  # key frames only
    data = NuscenesDataset(out, frames=3, image_hw=(32, 64), lidar="TOP" if lidar else None)
    clip = data[0]
    assert clip.image_present.all()
    if lidar:
        beams = np.fromfile(next(out.glob("samples/TOP/*.bin")), "<f4").reshape(-1, 5)
        assert set(np.unique(beams[:, 4])) <= {0.0, 1.0, 2.0, 3.0}
        # Its x axis looks 30 degrees to the left, and the ground lies 2 m below it.
        assert beams[:, 2].min() == pytest.approx(-2.0, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulated": {"rate_hz": 1}}, "front: rate_hz=1.0: expected 2 to 50"),
        (
            {"simulated": {"rate_hz": 10, "jitter_ms": 60}},
            "jitter_ms=60: expected 0 to less than 50",
        ),
        ({"simulated": {"rate": 10}}, "simulated.rate: is not known"),
        ({"size_px": [8, 8]}, "front: image_hw"),
        ({"position_m": [1.0, 0.0, -0.2]}, "front: stands -0.2 m above the road"),
        ({"lens": {"model": "pinhole", "horizontal_deg": 200}}, "horizontal_deg: 200 degrees"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rig_file(tmp_path, cameras={"front": {**FRONT, **changes}})
    assert main(["world", str(tmp_path / "world"), "--rig", str(path)])
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "world").exists()
