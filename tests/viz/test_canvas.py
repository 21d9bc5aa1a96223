import sys
from pathlib import Path

import pytest
from PIL import Image

from mim4d.viz.canvas import Canvas


def test_size_and_place_in_pixels(tmp_path: Path) -> None:
    canvas = Canvas(200, 100)
    axes = canvas.axes(20, 10, 50, 40)
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    with Image.open(canvas.save(tmp_path / "a" / "b.png")) as picture:
        grey = picture.convert("L")
        assert grey.size == (200, 100)
        assert grey.point(lambda value: 255 * (value < 128)).getbbox() == (20, 10, 70, 50)


def test_without_matplotlib_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"mim4d\[viz\]"):
        Canvas(10, 10)
