"""Held-out clips at a glance: input, rendered colour and distance, truth and error of each.

Which clips is decided by a rule before anyone has looked: evenly spread over the held-out scenes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import HELD_OUT, SceneChoice
from mim4d.evaluation import EvaluatedView, spread
from mim4d.evaluation.rendered_clip import SeenFrame, abs_rel, see_frame
from mim4d.progress import Report, counted, silent
from mim4d.runs.loading import load_model
from mim4d.tensors.pixels import unit_colours
from mim4d.training.devices import choose_accelerator
from mim4d.viz.canvas import Canvas, PanelGrid
from mim4d.viz.panels import ColourRow, Row, ValueRow, distance_scale, draw_rows, error_scale


@dataclass(frozen=True)
class Strip:
    """A picture of one frame.

    Attributes:
        path: Of the picture.
        scene: Of the frame.
        abs_rel: Mean relative error of its distances.
        truth_name: What served as truth.
    """

    path: Path
    scene: str
    abs_rel: float
    truth_name: str


_LEFT, _RIGHT, _TOP, _BOTTOM, _PANEL = 134, 96, 66, 16, 256


def render_strips(
    run: Path,
    data: Path,
    out: Path,
    *,
    clips: int,
    stride: int,
    scenes: SceneChoice = HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
    progress: Report = silent,
) -> list[Strip]:
    """Draw held-out clips, one small picture each.

    Args:
        run: Run folder.
        data: Data set.
        out: Folder for the pictures.
        clips: How many, evenly spread.
        stride: Image pixels per rendered pixel, in both directions.
        scenes: Scenes to draw; by default the held-out ones, or all if the data set names none.
        version: Version folder of the data set.
        device: Where to compute.
        progress: Told how many clips are done, of how many.

    Raises:
        ValueError: For anything wrong with the run or the data.
        ImportError: If matplotlib is not installed.
    """
    accelerator = choose_accelerator(device)
    model, config = load_model(run)
    dataset = build_dataset(config, data, scenes, version, judged=True)
    view, model = EvaluatedView.of(config, stride), model.to(accelerator)
    strips = []
    for index in counted(spread(len(dataset), clips), progress):
        seen = see_frame(model, dataset, index, view, accelerator)
        path = draw_strip(seen).save(out / f"strip-{index:04d}.jpg")
        error = abs_rel(seen.rendered.distances_m.float(), seen.truth)
        strips.append(Strip(path, seen.clip.scene_names[0], error, seen.truth_name))
    return strips


def draw_strip(seen: SeenFrame) -> Canvas:
    """Draw one frame: five rows, one column per camera."""
    clip, rows = seen.clip, list(_rows(seen))
    height, width = (int(size) for size in clip.image_sizes[0, 0].amax(dim=0))
    panel_height = round(_PANEL * height / max(width, 1))
    grid = PanelGrid(_LEFT, _TOP, _PANEL, panel_height, len(rows), clip.num_cameras, gap=3)
    canvas = Canvas(_LEFT + grid.width + _RIGHT, _TOP + grid.height + _BOTTOM)
    canvas.text(grid.left, 12, clip.scene_names[0], size_px=20, weight="bold")
    draw_rows(canvas, grid, clip, 0, rows)
    return canvas


def _rows(seen: SeenFrame) -> Iterator[tuple[str, Row]]:
    images = rearrange(unit_colours(seen.clip.images[0, 0]), "n c h w -> n h w c")
    lattice = torch.tensor(seen.truth.shape[-2:]).expand(len(images), 2)
    distances, scale = seen.rendered.distances_m.float(), distance_scale()
    yield "input", ColourRow(images, seen.clip.image_sizes[0, 0])
    yield "rendered:\ncolour", ColourRow(seen.rendered.colours, lattice)
    yield "rendered:\ndistance", ValueRow(torch.where(seen.valid, distances, torch.nan), scale)
    yield f"truth:\n{seen.truth_name}", ValueRow(seen.truth, scale)
    error = abs_rel(distances, seen.truth)
    errors = (distances - seen.truth).abs() / seen.truth
    yield f"error\nAbsRel {error:.3f}", ValueRow(errors, error_scale())
