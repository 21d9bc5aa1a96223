"""Colours of velocities: the hue is the direction, its strength the speed; and the wheel of them.

The wheel is a legend: a direction in it is the direction in a picture from above, where forward
points up and left to the left.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.viz.canvas import FAINT, INK, Canvas, Length, points

STANDING = 0.8
"""Grey of what stands."""
_SPEEDS_M_S = (2, 5, 10, 15, 20, 30)


def full_speed(speeds_m_s: Float[Tensor, " p"]) -> float:
    """A round speed that few of the speeds exceed; what is faster has full strength."""
    usual = speeds_m_s.quantile(0.98).item() if len(speeds_m_s) else 0.0
    return next((float(speed) for speed in _SPEEDS_M_S if speed >= usual), float(_SPEEDS_M_S[-1]))


def flow_colours(velocities: Float[Tensor, "*p 2"], full_m_s: float) -> Float[Tensor, "*p 3"]:
    """RGB in [0, 1] of velocities (x forward, y left; m/s); grey where something stands."""
    from matplotlib.colors import hsv_to_rgb

    angle = torch.atan2(velocities[..., 1], velocities[..., 0])
    strength = (velocities.norm(dim=-1) / full_m_s).clamp(max=1).sqrt().unsqueeze(-1)
    hue = (angle / (2 * math.pi)) % 1.0
    hsv = torch.stack([hue, torch.full_like(hue, 0.95), torch.full_like(hue, 0.9)], dim=-1)
    full = torch.from_numpy(hsv_to_rgb(hsv.numpy())).to(velocities)
    return STANDING + strength * (full - STANDING)


def draw_wheel(canvas: Canvas, left: Length, top: Length, side: Length, full_m_s: float) -> None:
    """Draw the wheel into a square, pixels; circles tell the speed."""
    axes = canvas.axes(left, top, side, side)
    axes.set_axis_off()
    across = np.linspace(-1.18, 1.18, 2 * int(side))
    # Columns run from left to right, rows from the top down: y falls, x falls.
    y, x = (torch.from_numpy(each).float() for each in np.meshgrid(-across, -across))
    velocities = torch.stack([x, y], dim=-1) * full_m_s
    colours = flow_colours(velocities, full_m_s)
    inside = (velocities.norm(dim=-1) <= full_m_s).unsqueeze(-1).float()
    axes.imshow(torch.cat([colours, inside], dim=-1).numpy(), extent=(1.18, -1.18, -1.18, 1.18))
    axes.set_xlim(1.18, -1.18)
    turn = np.linspace(0, 2 * np.pi, 97)
    for share in (0.5, 1.0):
        axes.plot(share * np.sin(turn), share * np.cos(turn), color=INK, linewidth=0.5, alpha=0.5)
        at = share * math.sqrt(0.5)
        axes.text(-at, -at, f"{share * full_m_s:g}", fontsize=points(12), color=INK, va="top")
    for word, x_at, y_at, style in (
        ("forward", 1.06, 0.0, {"ha": "center", "va": "bottom"}),
        ("left", 0.0, 1.06, {"ha": "right", "va": "center", "rotation": 90}),
    ):
        axes.text(y_at, x_at, word, fontsize=points(12), color=FAINT, **style)
