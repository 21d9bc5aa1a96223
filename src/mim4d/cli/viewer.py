"""`mim4d viewer`: a scene in three dimensions, in the browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument, scene_choice
from mim4d.cli.predict import DRAWS
from mim4d.config import Device
from mim4d.errors import DataError, need_extra

if TYPE_CHECKING:
    from mim4d.data.splits import SceneChoice


@dataclass(frozen=True)
class View3d:
    """Walk through scenes in the browser: cameras, LiDAR, boxes, map, and a run's predictions.

    Serves a page until Ctrl-C. On another machine: ssh -L 8080:localhost:8080 HOST, then open
    http://localhost:8080 here.
    """

    source: PathArgument
    """Data set in the nuScenes format, or a run folder: of a pre-training (rendered surface, solid
    voxels, flow) or of a task (boxes, map, ground, occupancy)."""
    data: Path | None = None
    """Data set for a run; by default the one it was trained on."""
    split: str | None = None
    """Split to take scenes from; by default all scenes, of a run those held out."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    image_size: tuple[int, int] = (256, 448)
    """Rows and columns that the cameras' images are fitted into."""
    stride: int = 2
    """Image pixels per rendered pixel of a pre-training's surface."""
    host: str = "localhost"
    """Address to listen on; 0.0.0.0 lets everybody on the network in."""
    port: int = 8080
    """Port; the next free one is taken if it is not free."""
    device: Device = "auto"
    """Where a run computes."""
    version: str | None = None
    """Version folder, where there are several."""

    def check(self) -> None:
        """What is known at once."""
        need_extra("viewer", "the viewer")
        at_once.at_least(1, stride=self.stride)
        run, data = _run_and_data(self)
        if run is not None:
            task = getattr(at_once.run_folder(run), "task", None)
            if task not in (None, *DRAWS):
                raise ValueError(
                    f"{run}: nothing draws the task {task}; `mim4d viewer` knows {', '.join(DRAWS)}"
                )
        at_once.data_set(data, self.version, _scenes(self, run))
        at_once.device(self.device)


def viewer(options: View3d) -> None:
    """`mim4d viewer`."""
    run, data = _run_and_data(options)
    from mim4d.viz.viewer.source import SceneSource
    from mim4d.viz.viewer.viewer import Viewer

    source = SceneSource(
        data,
        run,
        _scenes(options, run),
        version=options.version,
        image_hw=options.image_size,
        device=options.device,
        stride=options.stride,
    )
    names = [path.resolve().name for path in (run, data) if path is not None]
    page_title = " on ".join(names)
    page = Viewer(source, page_title, options.host, options.port)
    port = page.server.get_port()
    print(f"http://{options.host}:{port} (over ssh: ssh -L {port}:localhost:{port} HOST)")
    print("Ctrl-C ends it.", flush=True)
    page.run()


def _scenes(options: View3d, run: Path | None) -> "SceneChoice | None":
    """Scenes that are asked for; None: all."""
    if options.split is None and not options.scenes and run is None:
        return None
    return scene_choice(options.split or "val", options.scenes)


def _run_and_data(options: View3d) -> tuple[Path | None, Path]:
    """The run, if one is asked for, and its data set."""
    if not options.source.is_dir():
        raise DataError(f"{options.source}: no such folder; expected a data set or a run")
    if not (options.source / "config.json").is_file():
        if options.data is not None:
            raise ValueError(
                f"--data: {options.source} is no run folder (it has no config.json), so it is the "
                "data set itself; leave --data out"
            )
        return None, options.source
    if options.data is not None:
        return options.source, options.data
    from mim4d.runs.record import read_record

    known = read_record(options.source)["data"]
    if known is None or not Path(known).is_dir():
        raise DataError(
            f"{options.source}: was trained on {known}, which is not here; give a data set "
            "with --data"
        )
    return options.source, Path(known)
