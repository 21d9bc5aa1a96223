"""The page: what its server holds, and what a browser shows of it."""

import io
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.viz.viewer.clip_layers import clip_layers
from mim4d.viz.viewer.layers import Cubes, Ground, Layer, Points, Segments, by_height
from mim4d.viz.viewer.source import Moment
from mim4d.viz.viewer.viewer import SAID, SEEN, Viewer
from tests.viz.clips import make_clip, without_image

pytest.importorskip("viser", reason="the viewer needs mim4d[viewer]")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


class Scenes:
    """Two scenes in which the car drives 2 m from moment to moment, and a wall comes nearer."""

    scenes = ("first", "second")

    def count(self, scene: str) -> int:
        return 3 if scene == "first" else 1

    def moment(self, scene: str, number: int) -> Moment:
        pose = np.eye(4)
        pose[0, 3] = 2.0 * number
        clip = make_clip([0.0, 90.0])
        if number == 2:
            clip = without_image(clip, 1, 1)
        grid = torch.cartesian_prod(torch.tensor([12.0 - 4 * number]), *[torch.arange(-4.0, 5)] * 2)
        said: dict[str, Layer] = {
            "solid voxels": Cubes(
                np.array([[5.0, 3, 1]]), (1.0, 1.0, 1.0), np.array([[9, 9, 9]], "u1")
            ),
            "flow": Segments(np.ones((1, 2, 3)), np.array([[9, 9, 9]], "u1"), arrows=True),
            "predicted ground": Ground(np.full((2, 2, 4), 200, np.uint8), (0.0, 0.0), (4.0, 4.0)),
        }
        wall = Points(grid.numpy(), by_height(grid[:, 2]), 0.8)
        seen = clip_layers(clip, 1) | {"LiDAR": wall}
        return Moment(pose, pose, 0.5 * number, seen, said if number else {})


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    page = Viewer(Scenes(), "a test", "localhost", 8123)
    yield page
    page.server.stop()


def position(viewer: Viewer, path: str) -> list[float]:
    handle = viewer.server.scene.get_handle_by_name(path)
    assert handle is not None
    return np.asarray(handle.position).tolist()


def has(viewer: Viewer, path: str) -> bool:
    return viewer.server.scene.get_handle_by_name(path) is not None


def test_the_slider_moves_the_car_through_the_scene(viewer: Viewer) -> None:
    assert has(viewer, f"{SEEN}/cameras/CAM_1")
    assert not has(viewer, f"{SAID}/flow")
    viewer.follow.value = False
    viewer.moment.value = 2
    viewer.show()
    assert position(viewer, SEEN) == [4.0, 0.0, 0.0]
    assert position(viewer, SAID) == [4.0, 0.0, 0.0]
    assert has(viewer, f"{SAID}/flow")
    assert has(viewer, f"{SAID}/predicted ground")
    assert has(viewer, f"{SEEN}/cameras/CAM_0")
    assert not has(viewer, f"{SEEN}/cameras/CAM_1")  # it has no image now
    viewer.follow.value = True
    viewer.show()
    assert position(viewer, SEEN) == [0.0, 0.0, 0.0]
    viewer.scene.value = "second"
    viewer._choose_scene()
    assert viewer.moment.value == 0
    assert not has(viewer, f"{SAID}/flow")
    assert "second" in viewer.caption.content


def test_a_box_hides_a_layer_and_keeps_it_hidden(viewer: Viewer) -> None:
    viewer._ticks["LiDAR"].value = False
    viewer._tick()
    for number in (0, 1):
        viewer.moment.value = number
        viewer.show()
        handle = viewer.server.scene.get_handle_by_name(f"{SEEN}/LiDAR")
        assert handle is not None
        assert not handle.visible
    solid = viewer.server.scene.get_handle_by_name(f"{SAID}/solid voxels")
    assert solid is not None
    assert not solid.visible  # it would hide the rest: it is for who asks for it


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_scene_and_its_slider_moves_it(viewer: Viewer) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": 900, "height": 400})
        page.set_default_timeout(120_000)
        page.goto(f"http://localhost:{viewer.server.get_port()}")
        canvas = page.locator("canvas").first
        canvas.wait_for()
        page.get_by_text("0.0 s after the first moment").wait_for()
        before = settled(page)
        assert len(np.unique(before.reshape(-1, 3), axis=0)) > 50, "the canvas is empty"
        # By the mouse: an arrow key would turn the view as well, and hide a scene that stays.
        page.locator(".mantine-Slider-root").first.click()  # its middle, of moments 0 to 2
        page.get_by_text("0.5 s after the first moment").wait_for()
        settled(page, unlike=before)
        browser.close()
    assert viewer.moment.value == 1


def settled(page, unlike: np.ndarray | None = None) -> np.ndarray:
    """The page once two pictures of it are equal: viser fades things in.

    With `unlike` the scene beside the panel must have moved from that picture first; on a busy
    machine the words of the panel are there long before.
    """
    last = None
    for _ in range(60):
        page.wait_for_timeout(1000)
        picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        rests = last is not None and np.abs(picture.astype(int) - last).max() < 12
        if rests and (unlike is None or moved(unlike, picture)):
            return picture
        last = picture
    raise AssertionError("the page does not come to rest, or the scene did not move")


def moved(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the scene changed left of the panel and below the browser's notices."""
    left = np.abs(before.astype(int) - after)[130:, :560]
    return bool((left.max(axis=-1) > 30).mean() > 0.01)
