"""The scripts in examples/ run as they stand, on what a user might have."""

import runpy
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.importing.make import START_US, changed, write_folder
from tests.toy import toy_config, toy_model

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FISHEYE = {
    "model": "fisheye",
    "focal_px": [12.0, 12.0],
    "centre_px": [19.5, 14.5],
    "coefficients": [0.0, 0.0, 0.0, 0.0],
}


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def test_they_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 100, path


def test_rectify_image(tmp_path, monkeypatch, capsys):
    source = write_folder(tmp_path / "drive", cameras=changed("CAM_LEFT", lens=FISHEYE))
    image = source / "CAM_LEFT" / f"{START_US + 7000}.jpg"
    run(monkeypatch, "rectify_image", source / "cameras.yaml", "CAM_LEFT", image, tmp_path / "out")
    assert "from 95.5° to the left to 95.5° to the right" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "CAM_LEFT_1.png",
        "CAM_LEFT_2.png",
    ]


@pytest.mark.slow
def test_import_look_and_encode(tmp_path, monkeypatch, capsys):
    source = write_folder(tmp_path / "drive")
    data, picture = tmp_path / "data", tmp_path / "view.png"
    run(monkeypatch, "import_and_look", source, data, picture)
    assert picture.stat().st_size > 1000
    assert "CAM_LEFT: at 1.03 m ahead, 0.90 m left" in capsys.readouterr().out
    encoder = toy_model(toy_config()).eval().encoder
    monkeypatch.setattr("mim4d.runs.loading.load_encoder", lambda run: encoder)
    run(monkeypatch, "encode_drive", tmp_path, data, tmp_path / "features")
    files = sorted((tmp_path / "features").iterdir())
    assert len(files) == 3
    assert load_file(files[0])["volume"].ndim == 4
