"""A short video of what one volume holds: seen along the clip's own path, and from beside it.

If there is a world in the volume, what is near shifts against what is far; a painted screen does
not. Animated WebP and GIF are written by Pillow, MP4 by PyAV (`pip install 'mim4d[video]'`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import HELD_OUT, SceneChoice
from mim4d.evaluation import EvaluatedView, spread
from mim4d.evaluation.flight import FlightImage, FlightView, fly
from mim4d.files import replacing
from mim4d.progress import Report, silent
from mim4d.runs.loading import load_model
from mim4d.training.devices import choose_accelerator
from mim4d.viz.canvas import FAINT, Canvas, PanelGrid, show_colours, show_values
from mim4d.viz.panels import distance_scale

ENDINGS = (".webp", ".gif", ".mp4")
ASIDE_M = 1.0
STEPS, IMAGES_PER_S = 10, 10
_PANEL, _TOP, _MARGIN, _RIGHT = 400, 64, 16, 84
Pixels = UInt8[np.ndarray, "h w 3"]


def render_video(
    run: Path,
    data: Path,
    out: Path,
    *,
    stride: int,
    steps: int = STEPS,
    scenes: SceneChoice = HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
    progress: Report = silent,
) -> Path:
    """Film the clip in the middle of the held-out ones, forth and back.

    Args:
        run: Run folder.
        data: Data set.
        out: File to write; its ending says of which kind.
        stride: Image pixels per rendered pixel, in both directions.
        steps: Pictures from one frame of the clip to the next.
        scenes: Scenes to choose from; by default the held-out ones.
        version: Version folder of the data set.
        device: Where to compute.
        progress: Told how many pictures are done, of how many.

    Raises:
        ValueError: For another ending, or anything wrong with the run or the data.
        ImportError: If matplotlib, or for MP4 PyAV, is not installed.
    """
    check_ending(out)
    accelerator = choose_accelerator(device)
    model, config = load_model(run)
    dataset = build_dataset(config, data, scenes, version, judged=True)
    view, model = EvaluatedView.of(config, stride), model.to(accelerator)
    (index,) = spread(len(dataset), 1)
    flight = fly(model, dataset, index, view, accelerator, steps=steps, aside_m=ASIDE_M)
    title = dataset.scene_name(index)
    pictures, total = [], (config.clip.frames - 1) * steps + 1
    for done, moment in enumerate(flight, start=1):
        pictures.append(draw_moment(moment, title).pixels())
        progress(done, total)
    return write_video([*pictures, *pictures[-2:0:-1]], out, IMAGES_PER_S)


def draw_moment(moment: FlightImage, title: str) -> Canvas:
    """One picture of the video: the camera's image, and colour and distance from both places."""
    height, width = moment.on_path.distances_m.shape
    grid = PanelGrid(_MARGIN, _TOP, _PANEL, round(_PANEL * height / width), 2, 3, gap=6)
    canvas = Canvas(_MARGIN + grid.width + _RIGHT, _even(_TOP + grid.height + _MARGIN))
    canvas.text(_MARGIN, 10, f"{title}, {moment.time_s:+.2f} s", size_px=19, weight="bold")
    heads = ("camera, nearest image", "rendered, the clip's own path")
    for column, head in enumerate((*heads, f"rendered, {ASIDE_M:g} m to the left of it")):
        canvas.text(grid.column_left(column), 40, head, size_px=15)
    rows, columns = moment.image.shape[:2]
    show_colours(grid.axes(canvas, 0, 0, (rows, columns)), moment.image)
    words = (
        "One volume, made of the images at 0 s, from\n"
        "moving places. If the volume has depth, near\n"
        "things move more than far ones."
    )
    canvas.text(_MARGIN, grid.row_top(1) + 12, words, size_px=15, color=FAINT)
    for column, seen in ((1, moment.on_path), (2, moment.aside)):
        _draw_view(canvas, grid, column, seen)
    return canvas


def _draw_view(canvas: Canvas, grid: PanelGrid, column: int, seen: FlightView) -> None:
    rows, columns = seen.distances_m.shape
    show_colours(grid.axes(canvas, 0, column, (rows, columns)), seen.colours)
    scale, axes = distance_scale(), grid.axes(canvas, 1, column, (rows, columns))
    mapping = show_values(axes, seen.distances_m, scale.norm, scale.colours)
    if column == grid.columns - 1:
        place = (grid.left + grid.width + 10, grid.row_top(1), 12, grid.panel_height)
        canvas.colour_bar(place, mapping, scale.label, scale.ticks)


def check_ending(out: Path) -> None:
    """Refuse what cannot be written, before anything is computed.

    Raises:
        ValueError: For another ending than those of `ENDINGS`.
        ImportError: For MP4 without PyAV.
    """
    if out.suffix.lower() not in ENDINGS:
        raise ValueError(f"--video {out}: expected a name that ends with {', '.join(ENDINGS)}")
    if out.suffix.lower() == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"--video {out}: MP4 needs PyAV: pip install 'mim4d[video]'; .webp and .gif need "
                "nothing more"
            ) from error


def write_video(pictures: Sequence[Pixels], out: Path, images_per_s: int) -> Path:
    """Write pictures of one size, whole or not at all; WebP and GIF run in a circle."""
    with replacing(out) as temporary:
        if out.suffix.lower() == ".mp4":
            _write_mp4(pictures, temporary, images_per_s)
        else:
            first, *others = map(Image.fromarray, pictures)
            duration_ms = round(1000 / images_per_s)
            first.save(temporary, save_all=True, append_images=others, duration=duration_ms, loop=0)
    return out


def _write_mp4(pictures: Sequence[Pixels], out: Path, images_per_s: int) -> None:
    import av

    height, width = pictures[0].shape[:2]
    with av.open(str(out), "w", format="mp4") as file:
        stream = file.add_stream("h264", rate=images_per_s)
        stream.width, stream.height = width - width % 2, height - height % 2
        stream.pix_fmt = "yuv420p"  # what every player shows; it wants even sizes
        for picture in pictures:
            cut = np.ascontiguousarray(picture[: stream.height, : stream.width])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        file.mux(stream.encode())


def _even(size: int) -> int:
    return size + size % 2
