"""A camera moved through the volume of one frame: along the clip's own path, and beside it.

Between the frames of the clip the camera's pose is interpolated; the volume stays that of the
evaluated frame. Poses are in that frame's ego axes, metres, distances along the rays.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation.predict import frame_volumes
from mim4d.evaluation.view import EvaluatedView
from mim4d.geometry.rigid import compose, invert_rigid, rigid_from_rotation_translation
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.rendering.rays import image_rays
from mim4d.rendering.renderer import render_chunked
from mim4d.tensors.pixels import unit_colours


@dataclass(frozen=True)
class FlightView:
    """What a moved camera sees: colours in [0, 1] and distances, metres."""

    colours: Float[Tensor, "h w 3"]
    distances_m: Float[Tensor, "h w"]


@dataclass(frozen=True)
class FlightImage:
    """One moment of a flight.

    Attributes:
        time_s: Relative to the evaluated frame.
        image: What the camera saw at the frame that is nearest in time.
        on_path: Rendered where the camera was.
        aside: Rendered from beside it.
    """

    time_s: float
    image: Float[Tensor, "hi wi 3"]
    on_path: FlightView
    aside: FlightView


def fly(
    model: MaskedVideoModel,
    dataset: NuscenesDataset,
    index: int,
    view: EvaluatedView,
    accelerator: str,
    *,
    steps: int,
    aside_m: float,
) -> Iterator[FlightImage]:
    """Move the first camera from the first frame of a clip to its last.

    Args:
        model: On the accelerator.
        dataset: The clips.
        index: Of the clip.
        view: The frame whose volume is rendered, and the lattice of rays.
        accelerator: Where to compute.
        steps: Moments from one frame to the next.
        aside_m: How far to the left of the path the second viewpoint lies.
    """
    clip = dataset[index]
    frame = replace(clip, key=view.frame).key_frame().to(accelerator)
    volume = frame_volumes(model, frame, 0).direct
    poses = camera_path(clip, view.frame, steps)
    beside = moved_left(poses, aside_m)
    times = torch.nn.functional.interpolate(
        clip.image_times_s[:, :, 0].unsqueeze(0), len(poses), mode="linear", align_corners=True
    ).flatten()
    for i, time_s in enumerate(times.tolist()):
        nearest = int((clip.image_times_s[0, :, 0] - time_s).abs().argmin())
        height, width = clip.image_sizes[0, nearest, 0].tolist()
        picture = unit_colours(clip.images[0, nearest, 0]).permute(1, 2, 0)[:height, :width]
        seen = [_see(model, volume, frame, view, pose) for pose in (poses[i], beside[i])]
        since = time_s - clip.image_times_s[0, view.frame, 0].item()
        yield FlightImage(since, picture, *seen)


def camera_path(clip: Clip, frame: int, steps: int) -> Float[Tensor, "k 4 4"]:
    """Poses of the first camera in a frame's ego axes, `steps` from each frame to the next."""
    poses = compose(invert_rigid(clip.ref_from_ego[0, frame]), clip.ref_from_camera[0, :, 0])
    between = torch.linspace(0, len(poses) - 1, (len(poses) - 1) * steps + 1)
    before = between.long().clamp(max=max(len(poses) - 2, 0))
    share = (between - before)[:, None, None]
    after = (before + 1).clamp(max=len(poses) - 1)
    mixed = (1 - share) * poses[before] + share * poses[after]
    u, _, vh = torch.linalg.svd(mixed[:, :3, :3])  # the nearest rotation to a mean of two
    return rigid_from_rotation_translation(u @ vh, mixed[:, :3, 3])


def moved_left(ego_from_camera: Float[Tensor, "k 4 4"], by_m: float) -> Float[Tensor, "k 4 4"]:
    """The same cameras so many metres to their own left."""
    moved = ego_from_camera.clone()
    moved[:, :3, 3] -= by_m * moved[:, :3, 0]
    return moved


@torch.no_grad()
def _see(
    model: MaskedVideoModel,
    volume: Float[Tensor, "1 c z y x"],
    frame: Clip,
    view: EvaluatedView,
    pose: Float[Tensor, "4 4"],
) -> FlightView:
    rays, _ = image_rays(
        frame.image_sizes[:, 0, :1],
        frame.image_present[:, 0, :1],
        frame.intrinsics[:, 0, :1],
        pose.to(volume).view(1, 1, 4, 4),
        view.lattice,
        view.grid,
        view.near_m,
    )
    rendering = render_chunked(model.renderer, volume, rays)
    colours, distances = rendering.colours[0].cpu(), rendering.distances[0].cpu()
    return FlightView(colours.unflatten(0, view.lattice), distances.unflatten(0, view.lattice))
