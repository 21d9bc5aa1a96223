"""The 3D view as a page: a scene to choose, a slider through its time, a box to tick per layer.

viser serves the page and keeps every browser that is connected up to date.
"""

import time
from collections.abc import Sequence
from threading import RLock
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mim4d.viz.viewer.layers import Layer
from mim4d.viz.viewer.source import Moment
from mim4d.viz.viewer.stage import put, turned

SEEN, SAID = "/seen", "/said"
_HIDDEN_AT_FIRST = ("solid voxels",)
_CAR_M = (4.6, 1.85, 1.5)
_CAR_MIDDLE_M = (1.35, 0.0, 0.75)
_PLAY_S = 0.4


@runtime_checkable
class Scenes(Protocol):
    """What can be looked at; `SceneSource` reads it from a data set."""

    @property
    def scenes(self) -> Sequence[str]:
        """Names of the scenes."""

    def count(self, scene: str) -> int:
        """Moments of a scene."""

    def moment(self, scene: str, number: int) -> Moment:
        """One of them."""


class Viewer:
    """A server with a page.

    Args:
        source: The scenes.
        title: Of the page.
        host: Address that it listens on.
        port: The next free one is taken if it is not.
    """

    def __init__(self, source: Scenes, title: str, host: str, port: int) -> None:
        import viser  # here, as only this extra has it

        self._source = source
        self._lock = RLock()
        self._shown: dict[str, list[Any]] = {}
        self._ticks: dict[str, Any] = {}
        self.server = server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        server.scene.set_up_direction("+z")
        server.scene.world_axes.visible = False
        server.scene.add_grid("/grid", width=120.0, height=120.0, cell_size=5.0, plane="xy")
        server.initial_camera.position = (-14.0, 0.0, 11.0)
        server.initial_camera.look_at = (8.0, 0.0, 0.0)
        server.gui.configure_theme(control_width="medium", show_logo=False)
        server.gui.add_markdown(f"**{title}**")
        # viser's types have the values of its controls as read-only.
        self.scene: Any = server.gui.add_dropdown("Scene", tuple(source.scenes))
        self.moment: Any = server.gui.add_slider("Moment", 0, 1, 1, 0)
        self.play: Any = server.gui.add_checkbox("Play", False)
        self.follow: Any = server.gui.add_checkbox("Follow the car", True)
        self.caption = server.gui.add_markdown("")
        self._layers = server.gui.add_folder("Layers")
        seen = server.scene.add_frame(SEEN, axes_length=1.0, axes_radius=0.04)
        server.scene.add_box(
            f"{SEEN}/car",
            dimensions=_CAR_M,
            position=_CAR_MIDDLE_M,
            color=(70, 84, 104),
            opacity=0.5,
        )
        said = server.scene.add_frame(SAID, show_axes=False)
        self._nodes = (seen, said)
        self.scene.on_update(lambda _: self._choose_scene())
        self.moment.on_update(lambda _: self.show())
        self.follow.on_update(lambda _: self.show())
        self._choose_scene()

    def _choose_scene(self) -> None:
        """Begin a scene."""
        with self._lock:
            self.moment.max = max(self._source.count(self.scene.value) - 1, 1)
            self.moment.value = 0
            self.show()

    def show(self) -> None:
        """Show the moment that is chosen."""
        with self._lock:
            scene = self.scene.value
            number = min(int(self.moment.value), self._source.count(scene) - 1)
            moment = self._source.moment(scene, number)
            with self.server.atomic():
                self._place(moment)
                wanted = {f"{SEEN}/{name}": layer for name, layer in moment.seen.items()}
                wanted |= {f"{SAID}/{name}": layer for name, layer in moment.said.items()}
                for path in set(self._shown) - set(wanted):
                    for handle in self._shown.pop(path):
                        handle.remove()
                for path, layer in wanted.items():
                    self._put(path, layer)
            self.caption.content = f"{moment.time_s:.1f} s after the first moment of {scene}"

    def _place(self, moment: Moment) -> None:
        seen, said = moment.scene_from_seen, moment.scene_from_said
        if self.follow.value:
            seen, said = np.eye(4), np.linalg.inv(seen) @ said
        for node, pose in zip(self._nodes, (seen, said), strict=True):
            for key, value in turned(pose).items():
                setattr(node, key, value)

    def _put(self, path: str, layer: Layer) -> None:
        """Draw a layer; one that is new gets a box to tick."""
        name = path.rpartition("/")[2]
        if name not in self._ticks:
            with self._layers:
                tick = self.server.gui.add_checkbox(name, name not in _HIDDEN_AT_FIRST)
            tick.on_update(lambda _: self._tick())
            self._ticks[name] = tick
        old = self._shown.get(path, [])
        self._shown[path] = put(self.server.scene, path, layer, self._ticks[name].value)
        drawn = {handle.name for handle in self._shown[path]}
        for handle in old:
            if handle.name not in drawn:  # a camera without image now
                handle.remove()

    def _tick(self) -> None:
        """Show what is ticked, hide the rest."""
        with self._lock:
            for path, handles in self._shown.items():
                for handle in handles:
                    handle.visible = self._ticks[path.rpartition("/")[2]].value

    def run(self) -> None:
        """Serve until interrupted; play while that is asked for."""
        while True:
            time.sleep(_PLAY_S)
            if self.play.value:
                following = (int(self.moment.value) + 1) % self._source.count(self.scene.value)
                self.moment.value = following  # its update shows it
