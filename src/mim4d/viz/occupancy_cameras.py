"""Occupancy as the cameras would see it: along every ray the first occupied voxel, by distance.

Three rows for each row of cameras: the image, what a run says, and what was seen there.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.evaluation.occupancy_views import OccupancyView
from mim4d.viz.canvas import FAINT, Canvas, PanelGrid, show_colours, show_nothing
from mim4d.viz.distance_colours import FARTHEST_M, NEAREST_M, distance_colours
from mim4d.viz.overlay import picture
from mim4d.viz.wireframe import front_and_rear

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL, _MARGIN, _TOP, _LABEL = 420, 24, 64, 70
_NOTHING = (0.93, 0.94, 0.96)


def draw_cameras(view: OccupancyView) -> Canvas:
    """Image, what is said and what was seen, of every camera."""
    clip = view.clip
    rows = [row for row in front_and_rear(clip) if row]
    height, width = (int(size) for size in clip.image_sizes.amax(dim=(0, 1, 2)))
    panels = PanelGrid(
        left=_MARGIN + _LABEL,
        top=_TOP,
        panel_width=_PANEL,
        panel_height=round(_PANEL * height / max(width, 1)),
        rows=3 * len(rows),
        columns=max(map(len, rows)),
        gap=6,
    )
    canvas = Canvas(2 * _MARGIN + _LABEL + panels.width, _TOP + panels.height + 2 * _MARGIN)
    canvas.text(_MARGIN, 16, view.title, 18, weight="bold")
    note = f"first occupied voxel: yellow {NEAREST_M:g} m, violet {FARTHEST_M:g} m; pale: none"
    canvas.text(_MARGIN, 42, note, 13, color=FAINT)
    for r, row in enumerate(rows):
        for kind, word in enumerate(("image", "predicted", "true")):
            middle = panels.top + (3 * r + kind + 0.5) * (panels.panel_height + 6)
            canvas.text(_MARGIN, middle - 8, word, 15)
            for c, n in enumerate(row):
                size = clip.image_sizes[0, clip.key, n].tolist()
                axes = panels.axes(canvas, 3 * r + kind, c, (size[0], size[1]))
                if not bool(clip.image_present[0, clip.key, n]):
                    show_nothing(axes, "no image")
                elif kind == 0:
                    show_colours(axes, picture(clip, clip.key, n))
                else:
                    met = (view.met_m, view.true_met_m)[kind - 1]
                    if met is None:
                        show_nothing(axes, "not known")
                    else:
                        _show_distances(axes, met[n], (size[0], size[1]), clip.images.shape[-2])
    return canvas


def _show_distances(
    axes: "Axes", met_m: Float[Tensor, "h w"], size: tuple[int, int], padded_rows: int
) -> None:
    """Distances in the picture's part of a padded image, in its pixels."""
    stride = padded_rows // len(met_m)
    shown = met_m[: size[0] // stride, : size[1] // stride]
    show_colours(
        axes, colours_of_distances(shown).repeat_interleave(stride, 0).repeat_interleave(stride, 1)
    )


def colours_of_distances(met_m: Float[Tensor, "h w"]) -> Float[Tensor, "h w 3"]:
    """Colours by the logarithm of distance; pale where nothing is met."""
    along = (met_m / NEAREST_M).log() / torch.tensor(FARTHEST_M / NEAREST_M).log()
    colours = torch.from_numpy(distance_colours()(along.clamp(0, 1).numpy())[..., :3])
    nothing = torch.tensor(_NOTHING, dtype=colours.dtype)
    return torch.where(met_m.isfinite().unsqueeze(-1), colours, nothing).float()
