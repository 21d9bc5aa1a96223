"""LiDAR beams of the evaluated frame, and what a volume's SDF says along them.

Only places that a camera of the frame looks at are asked: inside its image, no nearer than rays
begin. Nothing teaches the field what lies elsewhere, such as above the roof between the cameras.
Metres, in the frame's ego axes.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mim4d.data.clip import Clip, ego_from_camera
from mim4d.data.frame_sweep import FrameSweep
from mim4d.evaluation.view import EvaluatedView
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, lengths, transform_points
from mim4d.metrics.occupancy import TOLERANCES_M, Beams, beam_counts, walk_beams
from mim4d.rendering.renderer import NeusRenderer

MOST_BEAMS = 256
"""LiDAR beams of a clip that are walked, evenly chosen."""


def frame_beams(sweep: FrameSweep, clip: Clip, view: EvaluatedView) -> Beams:
    """Beams whose return a camera looks at, and the places along them that one looks at."""
    ego_from_ref = invert_rigid(clip.ref_from_ego[0, view.frame])
    returns = transform_points(ego_from_ref, sweep.points_ref)
    origin = transform_points(ego_from_ref, sweep.origin_ref.unsqueeze(0))[0]
    returns = returns[looked_at(returns, clip, view)]
    beams = walk_beams(origin, returns, view.grid, MOST_BEAMS)
    seen = looked_at(beams.points.flatten(0, 1), clip, view).view(beams.asked.shape)
    return replace(beams, asked=beams.asked & seen)


def looked_at(
    points_ego: Float[Tensor, "p 3"], clip: Clip, view: EvaluatedView
) -> Bool[Tensor, " p"]:
    """Which points project into an image of the frame, at least as far away as rays begin."""
    camera_from_ego = invert_rigid(ego_from_camera(clip)[0, view.frame])
    points = transform_points(camera_from_ego, points_ego)  # n p 3
    pixels, depth = project(clip.intrinsics[0, view.frame], points)
    extent = clip.image_sizes[0, view.frame].flip(-1).unsqueeze(1)
    inside = ((pixels >= 0) & (pixels < extent)).all(dim=-1) & (depth > 0)
    return (inside & (lengths(points) >= view.near_m)).any(dim=0)


@torch.no_grad()
def count_beams(
    renderer: NeusRenderer, volume: Float[Tensor, "1 c z y x"], beams: Beams
) -> dict[float, Int64[Tensor, " 5"]]:
    """What `beam_counts` says of a volume of the same frame at each tolerance."""
    points = beams.points.unsqueeze(0).to(volume.device)
    sdf = renderer.field.sdf(volume, points)[0].cpu()
    return {tolerance: beam_counts(sdf, beams, tolerance) for tolerance in TOLERANCES_M}
