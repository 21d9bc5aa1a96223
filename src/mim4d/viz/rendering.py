"""What a run sees on held-out clips: input, rendered colour and distance, truth and error.

One picture per clip, one column per camera. The frame is rendered twice: from its own volume
(direct) and from the volume rebuilt from the other frames alone.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import SceneChoice
from mim4d.evaluation import (
    MAX_M,
    EvaluatedView,
    RenderedFrame,
    spread,
)
from mim4d.evaluation.flow.from_above import flow_clip
from mim4d.evaluation.rendered_clip import RenderedClip, abs_rel, render_clip
from mim4d.models.encoder.masking import enlarge_mask
from mim4d.runs.loading import load_model
from mim4d.runs.record import was_trained_on
from mim4d.tensors.pixels import unit_colours
from mim4d.training.devices import choose_accelerator
from mim4d.viz.canvas import (
    FAINT,
    Canvas,
    Length,
    PanelGrid,
    colour_map,
    points,
    show_colours,
    show_nothing,
    show_values,
)
from mim4d.viz.flow_picture import draw_flow
from mim4d.viz.wireframe import left_to_right

if TYPE_CHECKING:
    from matplotlib.axes import Axes

logger = logging.getLogger(__name__)

_HELD_OUT = SceneChoice("val")
FLOW_STRIDE = 2
"""Pixels per point of the true flow: it is drawn from above, where few of them are a metre."""
_LEFT, _RIGHT, _TOP = 178, 96, 108
_DENSE = 0.25
"""Share of known pixels from which a truth counts as an image, not as separate measurements."""


def render_run(
    run: Path,
    data: Path,
    out: Path,
    *,
    clips: int,
    stride: int,
    scenes: SceneChoice = _HELD_OUT,
    version: str | None,
    device: Device,
) -> list[Path]:
    """Draw held-out clips as a run sees them.

    Args:
        run: Run folder.
        data: Data set.
        out: Folder for the pictures.
        clips: How many, spread over the scenes.
        stride: Image pixels per rendered pixel, in both directions.
        scenes: Scenes to draw; by default the held-out ones, or all if the data set names none.
        version: Version folder of the data set.
        device: Where to compute.

    Returns:
        The pictures: one per clip, and one of its scene flow where the run has one.

    Raises:
        ValueError: For anything wrong with the run or the data.
        ImportError: If matplotlib is not installed.
    """
    if clips < 1 or stride < 1:
        raise ValueError(f"clips is {clips} and stride is {stride}; expected at least 1 each")
    accelerator = choose_accelerator(device)
    model, config = load_model(run)
    dataset = build_dataset(config, data, scenes, version, lidar_may_lack=True)
    indices = spread(len(dataset), clips)
    trained = [was_trained_on(run, dataset.tables, [dataset.scene_name(i)]) for i in indices]
    if any(trained):
        logger.warning("%s: scenes that the run was trained on are drawn", data)
    view, flow_view = (EvaluatedView.of(config, s) for s in (stride, min(stride, FLOW_STRIDE)))
    model = model.to(accelerator)
    paths = []
    for index, seen in zip(indices, trained, strict=True):
        rendered = render_clip(model, dataset, index, view, accelerator)
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in dataset.scene_name(index))
        title = f"{dataset.scene_name(index)} ({'not held out' if seen else 'held out'})"
        canvas = draw_rendering(rendered, title, config.mask.ratio)
        paths.append(canvas.save(out / f"{index:04d}-{name}.png"))
        if config.flow.enabled:
            flow = flow_clip(model, dataset, index, flow_view, accelerator)
            paths.append(draw_flow(flow, title).save(out / f"{index:04d}-{name}-flow.png"))
    return paths


def draw_rendering(rendered: RenderedClip, title: str, mask_ratio: float) -> Canvas:
    """Draw one rendered clip."""
    clip, t = rendered.clip, rendered.frame
    rows = _rows(rendered, mask_ratio)
    height, width = (int(size) for size in clip.image_sizes[0, t].amax(dim=0))
    panel_width = min(max(1500 // clip.num_cameras, 256), 448)
    panel_height = round(panel_width * height / max(width, 1))
    grid = PanelGrid(_LEFT, _TOP, panel_width, panel_height, len(rows), clip.num_cameras, gap=3)
    canvas = Canvas(_LEFT + grid.width + _RIGHT, _TOP + grid.height + 56)
    _draw_words(canvas, grid, rendered, title)
    for row, (label, drawn) in enumerate(rows):
        middle = grid.row_top(row) + panel_height / 2
        canvas.text(grid.left - 12, middle, label, size_px=13.5, va="center", ha="right")
        for column, n in enumerate(left_to_right(clip)):
            if row == 0:
                left = grid.column_left(column)
                canvas.text(left + 2, grid.top - 21, clip.camera_names[n], size_px=14)
            if not clip.image_present[0, t, n]:
                show_nothing(grid.axes(canvas, row, column, (1, 1)), "no image")
                continue
            rows_px, columns_px = clip.image_sizes[0, t, n].tolist()
            drawn.draw(grid.axes(canvas, row, column, (rows_px, columns_px)), n)
    _draw_bars(canvas, grid, rows)
    return canvas


@dataclass(frozen=True)
class _Colours:
    """A row of colour images, full or sub-sampled."""

    images: Float[Tensor, "n h w 3"]
    sizes: Tensor
    """Rows and columns of each that are picture, `n 2`."""

    def draw(self, axes: "Axes", n: int) -> None:
        height, width = self.sizes[n].tolist()
        show_colours(axes, self.images[n, :height, :width])


@dataclass(frozen=True)
class _Values:
    """A row of numbers shown by colour; NaN is grey. Few known pixels are drawn as large dots."""

    values: Float[Tensor, "n h w"]
    scale: "_Scale"

    def draw(self, axes: "Axes", n: int) -> None:
        values, scale = self.values[n], self.scale
        known = ~values.isnan()
        if known.float().mean() >= _DENSE:
            show_values(axes, values, scale.norm, scale.colours)
            return
        show_values(axes, torch.full_like(values, torch.nan), scale.norm, scale.colours)
        v, u = known.nonzero().T
        rows, columns = values.shape
        (_, width), (height, _) = axes.get_xlim(), axes.get_ylim()
        axes.scatter(
            ((u + 0.5) / columns * width).numpy(),
            ((v + 0.5) / rows * height).numpy(),
            c=values[known].numpy(),
            s=points(3.2) ** 2,
            linewidths=0,
            norm=scale.norm,
            cmap=scale.colours,
        )


@dataclass(frozen=True)
class _Scale:
    """How numbers become colours."""

    norm: Any
    colours: Any
    label: str
    ticks: tuple[Length, ...]


def _rows(rendered: RenderedClip, mask_ratio: float) -> list[tuple[str, _Colours | _Values]]:
    """Label and content of every row, from top to bottom."""
    from matplotlib.colors import LogNorm, Normalize

    t, full = rendered.frame, rendered.prediction
    images = rearrange(unit_colours(rendered.clip.images[0, t]), "n c h w -> n h w c")
    sizes = rendered.clip.image_sizes[0, t]
    patch_px = images.shape[1] // rendered.visible.shape[-2]
    shown = enlarge_mask(rendered.visible[0, t], patch_px).unsqueeze(-1)
    hidden = torch.where(shown, images, 0.78 + 0.0 * images)
    lattice = torch.tensor(rendered.truth.shape[-2:]).expand(len(images), 2)
    distance = _Scale(
        LogNorm(2.0, MAX_M), colour_map("viridis_r"), "distance (m)", (2, 5, 10, 20, 40, 60)
    )
    relative = _Scale(
        Normalize(0.0, 1.0),
        colour_map("inferno"),
        r"$|\hat{d} - d|\;/\;d$",
        (0, 0.25, 0.5, 0.75, 1),
    )
    truth, valid = rendered.truth, rendered.valid

    def seen(distances: Tensor) -> _Values:
        return _Values(torch.where(valid, distances.float(), torch.nan), distance)

    def error(distances: Tensor) -> _Values:
        return _Values((distances.float() - truth).abs() / truth, relative)

    def colour(seen_through: RenderedFrame) -> _Colours:
        return _Colours(seen_through.colours, lattice)

    seen_by = {"direct volume": full.direct}
    if full.rebuilt is not None:
        seen_by["rebuilt frame"] = full.rebuilt
    masked = rendered.masked.distances_m
    return [
        ("input", _Colours(images, sizes)),
        *((f"{name}:\ncolour", colour(each)) for name, each in seen_by.items()),
        (f"truth:\n{rendered.truth_name}", _Values(truth, distance)),
        *((f"{name}:\ndistance", seen(each.distances_m)) for name, each in seen_by.items()),
        *(
            (
                f"{name.split()[0]}: error\nAbsRel {abs_rel(each.distances_m, truth):.3f}",
                error(each.distances_m),
            )
            for name, each in seen_by.items()
        ),
        (f"masked input,\n{mask_ratio:.0%} hidden", _Colours(hidden, sizes)),
        ("from masked input,\ndirect: colour", colour(rendered.masked)),
        (
            f"from masked input,\ndirect: distance\nAbsRel {abs_rel(masked, truth):.3f}",
            seen(masked),
        ),
    ]


def _draw_words(canvas: Canvas, grid: PanelGrid, rendered: RenderedClip, title: str) -> None:
    clip, truth = rendered.clip, rendered.truth
    full = rendered.prediction
    errors = f"direct {abs_rel(full.direct.distances_m, truth):.3f}"
    if full.rebuilt is not None:
        errors += f", rebuilt {abs_rel(full.rebuilt.distances_m, truth):.3f}"
    canvas.text(grid.left, 18, title, size_px=22, weight="bold")
    canvas.text(
        grid.left,
        50,
        f"key sample {clip.key_tokens[0]} · frame {rendered.frame + 1} of {clip.num_frames} · "
        f"AbsRel of this clip: {errors}",
        size_px=14.5,
        color=FAINT,
    )
    canvas.text(
        grid.left,
        grid.top + grid.height + 10,
        "Direct: rendered from the frame's own images, nothing hidden (as in evaluation), but for "
        "the last three rows. Rebuilt: from the other frames alone,\nwithout any image of this "
        "one. Grey: unknown, outside the grid, or hidden. All distances share one colour scale.",
        size_px=13,
        color=FAINT,
    )


def _draw_bars(canvas: Canvas, grid: PanelGrid, rows: list[tuple[str, _Colours | _Values]]) -> None:
    """One colour bar beside each block of rows with the same scale."""
    from matplotlib.cm import ScalarMappable

    scales = [row.scale if isinstance(row, _Values) else None for _, row in rows]
    starts = [
        i for i, s in enumerate(scales) if s is not None and (i == 0 or scales[i - 1] is not s)
    ]
    for start in starts:
        scale = scales[start]
        assert scale is not None, "starts holds rows with a scale"
        stop = next((i for i in range(start, len(rows)) if scales[i] is not scale), len(rows))
        top, bottom = grid.row_top(start), grid.row_top(stop) - grid.gap
        bar = (grid.left + grid.width + 12, top + 4, 13, bottom - top - 8)
        mapping = ScalarMappable(scale.norm, scale.colours)
        canvas.colour_bar(bar, mapping, scale.label, scale.ticks)
