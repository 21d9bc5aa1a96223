"""One video per camera becomes images; what is cut short is told."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from mim4d.cli import main
from mim4d.data.tables.tables import NuscenesTables
from tests.importing.make import CAMERAS, IMAGE_STEP_US, START_US, write_folder

av = pytest.importorskip("av")

FRAMES, SIZE = 11, (64, 48)


def write_video(path, levels):
    """Grey frames of these levels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.bit_rate = 2_000_000
        for level in levels:
            picture = np.full((SIZE[1], SIZE[0], 3), level, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture
def source(tmp_path):
    folder = write_folder(tmp_path / "drive")
    lens = {"model": "pinhole", "focal_px": [40.0, 40.0], "centre_px": [31.5, 23.5]}
    front = {**CAMERAS["CAM_FRONT"], "size_px": list(SIZE), "lens": lens}
    (folder / "cameras.yaml").write_text(yaml.safe_dump({"cameras": {"CAM_FRONT": front}}))
    shutil.rmtree(folder / "CAM_FRONT")
    shutil.rmtree(folder / "CAM_LEFT")
    write_video(folder / "CAM_FRONT.mp4", [20 * i for i in range(FRAMES)])
    times = [str(START_US + i * IMAGE_STEP_US) for i in range(FRAMES)]
    (folder / "CAM_FRONT.csv").write_text("\n".join(["time_us", *times]) + "\n")
    return folder


def test_frames_become_images_of_the_wanted_size(source, tmp_path, capsys):
    out = tmp_path / "data"
    assert main(["import", "video", str(source), "--out", str(out), "--width", "32"]) < 2
    assert "11 images linked" in capsys.readouterr().out
    tables = NuscenesTables.open(out)
    rows = tables.data_of_scene(0, "CAM_FRONT")
    assert tables.intrinsics(rows[:1])[0].tolist() == [[20, 0, 16], [0, 20, 12], [0, 0, 1]]
    for i, row in enumerate(rows.tolist()):
        with Image.open(out / tables.sample_data(row).filename) as image:
            assert image.size == (32, 24)
            assert abs(float(np.asarray(image).mean()) - 20 * i) < 6
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def fails(source, tmp_path, capsys):
    out = tmp_path / "data"
    assert main(["import", "video", str(source), "--out", str(out)]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive"]
    return capsys.readouterr().err


def test_a_truncated_video(source, tmp_path, capsys):
    video = source / "CAM_FRONT.mp4"
    video.write_bytes(video.read_bytes()[:-700])
    assert "CAM_FRONT.mp4: " in (said := fails(source, tmp_path, capsys))
    assert "cut short" in said


def test_tables_and_videos_that_do_not_belong_together(source, tmp_path, capsys):
    table = source / "CAM_FRONT.csv"
    text = table.read_text()
    table.write_text(text + f"{START_US + 20 * IMAGE_STEP_US}\n")
    assert "has 11 frames, CAM_FRONT.csv has 12 times" in fails(source, tmp_path, capsys)
    table.write_text(text + text.splitlines()[-1] + "\n")
    assert "is not after that of the frame before" in fails(source, tmp_path, capsys)
    table.write_text(text)
    (source / "CAM_BACK.mp4").touch()
    assert "has no camera 'CAM_BACK'" in fails(source, tmp_path, capsys)
    (source / "CAM_BACK.mp4").unlink()
    (source / "CAM_FRONT.mp4").unlink()
    assert "CAM_FRONT.mp4 not found" in fails(source, tmp_path, capsys)
