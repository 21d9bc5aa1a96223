"""Occupancy as a sheet of slices: a column for each layer of voxels, truth above what a run says.

From above: x (forward) points up and y (left) to the left, as in the other pictures from above.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mim4d.evaluation.occupancy_views import OccupancyView
from mim4d.viz.canvas import INK, Canvas, show_colours

UNKNOWN_COLOUR, FREE_COLOUR = "#c9ced6", "#ffffff"
COLOURS = ("#3b4252", "#2f7bff", "#ff7a00", "#12a150")
"""Of the classes, from class 1 on."""
_WIDTH, _MARGIN, _TOP, _GAP = 1600, 20, 100, 40


def draw_slices(view: OccupancyView) -> Canvas:
    """Truth, what is said of the voxels that are known, and of all."""
    rows = [("predicted everywhere", view.drawn)]
    if view.true is not None:
        known = torch.where(view.true >= 0, view.drawn, -1)
        rows = [("true", view.true), ("predicted, where known", known), *rows]
    layers = view.grid.layer_heights_m
    side = min((_WIDTH - 2 * _MARGIN) // len(layers) - 8, 420)
    canvas = Canvas(_WIDTH, _TOP + len(rows) * (side + _GAP) + _MARGIN)
    canvas.text(_MARGIN, 12, view.title, 20, weight="bold")
    left = _MARGIN
    for name, colour in zip(
        ("not known", "free", *view.class_names),
        (UNKNOWN_COLOUR, FREE_COLOUR, *COLOURS),
        strict=False,
    ):
        # White on white would not be seen.
        canvas.text(
            left, 46, "□" if name == "free" else "■", 18, color=INK if name == "free" else colour
        )
        canvas.text(left + 24, 48, name, 15)
        left += 60 + 9 * len(name)
    for row, (name, labels) in enumerate(rows):
        top = _TOP + row * (side + _GAP)
        for column, height_m in enumerate(layers):
            place = _MARGIN + column * (side + 8)
            title = f"{name}, z {height_m:.1f} m" if column == 0 else f"z {height_m:.1f} m"
            canvas.text(place, top - 22, title, 14)
            axes = canvas.axes(place, top, side, side)
            image = colours_of(labels[column])
            axes.set_xlim(0, image.shape[1])
            axes.set_ylim(image.shape[0], 0)
            axes.set_xticks([])
            axes.set_yticks([])
            show_colours(axes, image)
    return canvas


def colours_of(labels: Int64[Tensor, "y x"]) -> Float[Tensor, "x y 3"]:
    """A layer as a picture from above: x points up, y to the left."""
    from matplotlib.colors import to_rgb

    palette = torch.tensor([to_rgb(c) for c in (UNKNOWN_COLOUR, FREE_COLOUR, *COLOURS)])
    return palette[labels + 1].transpose(0, 1).flip(0, 1)
