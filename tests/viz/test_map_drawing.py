"""A map over the pixels and from above: vertices land where the projection puts them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.cli.data import Gallery, View
from mim4d.data.clip import Clip
from mim4d.data.maps.map_names import MAP_LAYERS
from mim4d.data.maps.vector_map import VectorMap, centred
from mim4d.viz.canvas import Canvas
from mim4d.viz.map_drawing import STYLES, draw_map_from_above, map_lines_in_image
from mim4d.viz.overlay import Shown
from tests.data.maps.test_vector_map import pose
from tests.data.tiny_map import MapBuilder, rectangle
from tests.viz.clips import FOCAL, HEIGHT, WIDTH, make_clip

SIDE = 400


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clip:
    """A camera 1 m above the ground; ref = global."""
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    made = MapBuilder()
    made.divider("lane_divider", [(-30, 2), (30, 2)])
    made.divider("road_divider", [(10, -3), (10, 3)])
    made.area("ped_crossing", rectangle(20, -12, 23, -9))
    made.area("drivable_area", rectangle(-10, -10, 10, 0), [rectangle(-5, -7, -2, -4)])
    made.write(tmp_path, "here")
    patch = VectorMap.open(tmp_path, "here").patch(pose(0, 0, 0), centred(60, 60))
    return replace(make_clip([0.0, 180.0]), maps=(patch,))


def seen(clip: Clip, layer: str, camera: int) -> torch.Tensor:
    assert clip.maps is not None
    return map_lines_in_image(clip.maps[0], layer, clip, 0, camera)  # type: ignore[arg-type]


def test_a_line_across_the_road(clip: Clip) -> None:
    # 10 m ahead and 1 m below the camera: row 30 + 50 / 10, columns 50 ± 3 · 50 / 10.
    line = seen(clip, "road_divider", 0)
    assert line[..., 1].unique().tolist() == pytest.approx([HEIGHT / 2 + FOCAL / 10])
    ends = line[..., 0].min().item(), line[..., 0].max().item()
    assert ends == pytest.approx((WIDTH / 2 - 15, WIDTH / 2 + 15), abs=1e-3)


def test_only_what_is_in_front_is_drawn(clip: Clip) -> None:
    assert len(seen(clip, "road_divider", 1)) == 0
    ahead, behind = seen(clip, "lane_divider", 0), seen(clip, "lane_divider", 1)
    # 2 m to the left of the car: left of the middle ahead, right of it behind.
    assert (ahead[..., 0] < WIDTH / 2).all()
    assert (behind[..., 0] > WIDTH / 2).all()
    for lines in (ahead, behind):
        assert lines.isfinite().all()
        assert (lines[..., 1] > HEIGHT / 2).all()  # below the horizon


def test_what_lies_behind_something_is_hidden(clip: Clip) -> None:
    assert clip.maps is not None
    distance = torch.full((HEIGHT, WIDTH), torch.nan)
    distance[:, : WIDTH // 2] = 5.0  # a wall in the left half
    shown = map_lines_in_image(clip.maps[0], "road_divider", clip, 0, 0, distance)
    assert len(shown) > 0
    assert (shown.mean(dim=1)[:, 0] >= WIDTH / 2).all()
    distance[:] = 10.0  # the ground itself hides nothing
    everything = map_lines_in_image(clip.maps[0], "road_divider", clip, 0, 0, distance)
    assert everything[..., 0].min() == pytest.approx(WIDTH / 2 - 15, abs=1e-3)


def test_areas_are_outlined_over_pixels_and_filled_from_above(clip: Clip) -> None:
    assert clip.maps is not None
    assert len(seen(clip, "ped_crossing", 0)) > 0
    canvas = Canvas(SIDE, SIDE)
    axes = canvas.axes(0, 0, SIDE, SIDE)
    axes.set_xlim(20, -20)
    axes.set_ylim(-20, 20)
    axes.set_axis_off()
    draw_map_from_above(axes, clip.maps[0], ("drivable_area",))
    dark = (canvas.pixels() != 255).any(axis=-1)
    scale = SIDE / 40
    # 20 m × 10 m without the hole of 3 m × 3 m; forward is up, right is right.
    assert dark.sum() == pytest.approx((200 - 9) * scale**2, rel=0.01)
    rows, columns = np.nonzero(dark)
    assert rows.mean() == pytest.approx(SIDE / 2, abs=3)
    assert columns.mean() == pytest.approx((20 + 5) * scale, abs=3)


def test_layers_can_be_left_out(clip: Clip) -> None:
    assert clip.maps is not None
    pictures = []
    for layers in (Shown().layers, Shown.without(("map",)).layers):
        canvas = Canvas(SIDE, SIDE)
        axes = canvas.axes(0, 0, SIDE, SIDE)
        axes.set_axis_off()
        axes.set_xlim(20, -20)
        axes.set_ylim(-20, 20)
        draw_map_from_above(axes, clip.maps[0], layers)
        pictures.append(canvas.pixels())
    assert (pictures[0] != 255).any()
    assert (pictures[1] == 255).all()
    hidden = Shown.without(("lidar", "lane_centre"))
    assert not hidden.lidar
    assert hidden.boxes
    assert set(MAP_LAYERS) - set(hidden.layers) == {"lane_centre"}


def test_every_layer_has_a_style() -> None:
    assert set(STYLES) == set(MAP_LAYERS)
    assert View(Path("x")).without == Gallery(Path("x")).without == ()
