import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from mim4d.evaluation import FramePrediction, RenderedFrame
from mim4d.evaluation.rendered_clip import RenderedClip, abs_rel
from mim4d.viz.rendering import draw_rendering, render_run
from tests.viz.clips import make_clip

pytestmark = pytest.mark.slow  # whole runs

N, H, W = 3, 8, 12


def rendered_clip(known: float) -> RenderedClip:
    """Truth 10 m in a share of the pixels; direct says 12 m, rebuilt 15 m."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.full((N, H, W), 10.0)
    truth[torch.rand(truth.shape, generator=generator) > known] = torch.nan
    colours = torch.rand(N, H, W, 3, generator=generator)
    direct, rebuilt = torch.full((N, H, W), 12.0), torch.full((N, H, W), 15.0)
    return RenderedClip(
        clip=make_clip([0.0, 120.0, -120.0], frames=3),
        frame=1,
        visible=torch.rand(1, 3, N, 2, 4, generator=generator) > 0.3,
        prediction=FramePrediction(RenderedFrame(colours, direct), RenderedFrame(colours, rebuilt)),
        masked=RenderedFrame(colours, rebuilt),
        truth=truth,
        truth_name="LiDAR",
        valid=torch.ones(N, H, W, dtype=torch.bool),
    )


@pytest.mark.parametrize("known", [1.0, 0.05, 0.0])
def test_dense_sparse_and_no_truth(tmp_path: Path, known: float) -> None:
    path = draw_rendering(rendered_clip(known), "title", 0.3).save(tmp_path / "clip.png")
    with Image.open(path) as picture:
        width, height = picture.size
    # Panels are 448 wide for few cameras, and as high as 60 rows of 100 columns ask for.
    assert (width, height) == (178 + 3 * 448 + 2 * 3 + 96, 108 + 11 * 269 + 10 * 3 + 56)
    assert path.stat().st_size < 1_500_000


def test_abs_rel_of_known_errors() -> None:
    rendered = rendered_clip(0.5)
    direct, rebuilt = rendered.prediction.direct, rendered.prediction.rebuilt
    assert rebuilt is not None
    assert abs_rel(direct.distances_m, rendered.truth) == pytest.approx(0.2)
    assert abs_rel(rebuilt.distances_m, rendered.truth) == pytest.approx(0.5)
    assert math.isnan(abs_rel(rendered.masked.distances_m, rendered_clip(0.0).truth))


def test_labels_carry_the_numbers() -> None:
    canvas = draw_rendering(rendered_clip(1.0), "title", 0.3)
    words = "\n".join(text.get_text() for text in canvas.figure.texts)
    for expected in ("AbsRel 0.200", "AbsRel 0.500", "30% hidden", "nothing hidden", "CAM_2"):
        assert expected in words


def test_an_absent_camera_is_said_to_be_absent() -> None:
    rendered = rendered_clip(1.0)
    present = rendered.clip.image_present.clone()
    present[0, 1, 2] = False
    canvas = draw_rendering(
        replace(rendered, clip=replace(rendered.clip, image_present=present)), "title", 0.3
    )
    texts = [text.get_text() for axes in canvas.figure.axes for text in axes.texts]
    assert texts.count("no image") == 11


def test_a_clip_of_one_frame_has_no_rows_of_a_rebuilt_one() -> None:
    rendered = rendered_clip(1.0)
    alone = replace(rendered, prediction=replace(rendered.prediction, rebuilt=None))
    canvas = draw_rendering(alone, "title", 0.3)
    words = "\n".join(text.get_text() for text in canvas.figure.texts)
    assert "AbsRel 0.200" in words
    assert "rebuilt frame" not in words
    assert len(canvas.figure.axes) == 8 * 3 + 3  # rows of three cameras, and the colour bars


def test_senseless_numbers_are_refused(tmp_path: Path) -> None:
    options = {"clips": 0, "stride": 2, "version": None, "device": "cpu"}
    with pytest.raises(ValueError, match="clips is 0"):
        render_run(tmp_path, tmp_path, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
