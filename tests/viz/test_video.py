"""The short video: its kinds of files, and one of its pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.evaluation.flight import FlightImage, FlightView
from mim4d.viz.video import check_ending, draw_moment, write_video

PICTURES = [np.full((32, 48, 3), 80 * i, np.uint8) for i in range(3)]


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_pillow_writes_moving_pictures(ending: str, tmp_path: Path) -> None:
    out = write_video(PICTURES, tmp_path / f"film{ending}", 10)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    with Image.open(out) as film:
        assert (film.size, getattr(film, "n_frames", 1)) == ((48, 32), 3)
        film.seek(2)
        assert abs(int(np.asarray(film.convert("RGB")).mean()) - 160) < 8
        assert film.info["duration"] == 100


def test_mp4_is_written_by_pyav(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="MP4 needs mim4d[video]")
    with av.open(str(write_video(PICTURES, tmp_path / "film.mp4", 10))) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * 3
    assert [round(frame.mean() / 80) for frame in frames] == [0, 1, 2]


def test_what_cannot_be_written_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"film\.avi.*\.webp"):
        check_ending(Path("film.avi"))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"mim4d\[video\]"):
        check_ending(Path("film.mp4"))


def test_a_picture_shows_both_places() -> None:
    grey = FlightView(torch.full((12, 20, 3), 0.5), torch.full((12, 20), 10.0))
    moment = FlightImage(-0.25, torch.rand(24, 40, 3), grey, grey)
    canvas = draw_moment(moment, "scene-1")
    words = "\n".join(text.get_text() for text in canvas.figure.texts)
    assert "scene-1, -0.25 s" in words
    assert "1 m to the left" in words
    assert canvas.height_px % 2 == 0
    assert len(canvas.figure.axes) == 1 + 2 * 2 + 1  # image, two places, colour bar
