"""The picture: what is worse is on the right of `full`, in its colour."""

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from mim4d.study.ablation.over_seeds import Summary, summarise_rows
from mim4d.study.ablation.picture import BETTER, WORSE, draw_ablation
from mim4d.study.ablation.rows import choose_rows
from tests.study.ablation.made import FACTS, numbers, summary


def _columns(picture: Path, colour: str) -> np.ndarray:
    """Columns of the picture in which a colour is seen."""
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"), float) / 255
    return np.nonzero((np.abs(pixels - to_rgb(colour)) < 0.02).all(axis=-1).any(axis=0))[0]


def test_effects_are_drawn_on_their_side(tmp_path: Path) -> None:
    """`no_flow` rebuilds worse (first panel) and is faster (last panel)."""
    picture = draw_ablation(summary(), tmp_path / "ablation.png")
    worse, better = _columns(picture, WORSE), _columns(picture, BETTER)
    assert len(worse) > 5
    assert len(better) > 5
    assert worse.max() < better.min()


def test_nothing_to_compare_yet(tmp_path: Path) -> None:
    rows = summarise_rows(choose_rows(["copy"]), {("full", 0): numbers(rebuilt=0.2)})
    picture = draw_ablation(Summary(rows, FACTS), tmp_path / "ablation.png")
    assert len(_columns(picture, WORSE)) == 0
