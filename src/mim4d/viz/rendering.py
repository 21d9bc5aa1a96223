"""What a run sees on held-out clips: input, rendered colour and distance, truth and error.

One picture per clip, one column per camera. The frame is rendered twice: from its own volume
(direct) and from the volume rebuilt from the other frames alone.
"""

import logging
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import HELD_OUT, SceneChoice
from mim4d.evaluation import EvaluatedView, RenderedFrame, spread
from mim4d.evaluation.flow.from_above import flow_clip
from mim4d.evaluation.rendered_clip import RenderedClip, abs_rel, render_clip
from mim4d.models.encoder.masking import enlarge_mask
from mim4d.progress import Report, counted, silent
from mim4d.runs.loading import load_model
from mim4d.runs.record import was_trained_on
from mim4d.tensors.pixels import unit_colours
from mim4d.training.devices import choose_accelerator
from mim4d.viz.canvas import FAINT, Canvas, PanelGrid
from mim4d.viz.flow_picture import draw_flow
from mim4d.viz.panels import ColourRow, Row, ValueRow, distance_scale, draw_rows, error_scale

logger = logging.getLogger(__name__)

FLOW_STRIDE = 2
"""Pixels per point of the true flow: it is drawn from above, where few of them are a metre."""
_LEFT, _RIGHT, _TOP = 178, 96, 108


def render_run(
    run: Path,
    data: Path,
    out: Path,
    *,
    clips: int,
    stride: int,
    scenes: SceneChoice = HELD_OUT,
    version: str | None,
    device: Device,
    progress: Report = silent,
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
        progress: Told how many clips are done, of how many.

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
    dataset = build_dataset(config, data, scenes, version, judged=True)
    indices = spread(len(dataset), clips)
    trained = [was_trained_on(run, dataset.tables, [dataset.scene_name(i)]) for i in indices]
    if any(trained):
        logger.warning("%s: scenes that the run was trained on are drawn", data)
    view, flow_view = (EvaluatedView.of(config, s) for s in (stride, min(stride, FLOW_STRIDE)))
    model = model.to(accelerator)
    paths = []
    for index, seen in counted(list(zip(indices, trained, strict=True)), progress):
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
    draw_rows(canvas, grid, clip, t, rows)
    return canvas


def _rows(rendered: RenderedClip, mask_ratio: float) -> list[tuple[str, Row]]:
    """Label and content of every row, from top to bottom."""
    t, full = rendered.frame, rendered.prediction
    images = rearrange(unit_colours(rendered.clip.images[0, t]), "n c h w -> n h w c")
    sizes = rendered.clip.image_sizes[0, t]
    patch_px = images.shape[1] // rendered.visible.shape[-2]
    shown = enlarge_mask(rendered.visible[0, t], patch_px).unsqueeze(-1)
    hidden = torch.where(shown, images, 0.78 + 0.0 * images)
    lattice = torch.tensor(rendered.truth.shape[-2:]).expand(len(images), 2)
    distance, relative = distance_scale(), error_scale()
    truth, valid = rendered.truth, rendered.valid

    def seen(distances: Tensor) -> ValueRow:
        return ValueRow(torch.where(valid, distances.float(), torch.nan), distance)

    def error(distances: Tensor) -> ValueRow:
        return ValueRow((distances.float() - truth).abs() / truth, relative)

    def colour(seen_through: RenderedFrame) -> ColourRow:
        return ColourRow(seen_through.colours, lattice)

    seen_by = {"direct volume": full.direct}
    if full.rebuilt is not None:
        seen_by["rebuilt frame"] = full.rebuilt
    masked = rendered.masked.distances_m
    return [
        ("input", ColourRow(images, sizes)),
        *((f"{name}:\ncolour", colour(each)) for name, each in seen_by.items()),
        (f"truth:\n{rendered.truth_name}", ValueRow(truth, distance)),
        *((f"{name}:\ndistance", seen(each.distances_m)) for name, each in seen_by.items()),
        *(
            (
                f"{name.split()[0]}: error\nAbsRel {abs_rel(each.distances_m, truth):.3f}",
                error(each.distances_m),
            )
            for name, each in seen_by.items()
        ),
        (f"masked input,\n{mask_ratio:.0%} hidden", ColourRow(hidden, sizes)),
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
