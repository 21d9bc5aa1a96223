"""The ceiling of grid and renderer: volumes made of exact distances, and a renderer fitted to them.

No image is encoded. Every voxel holds how far its centre lies from the nearest surface that the
frame's cameras see (signed: negative behind it) and that surface's colour, and a renderer as it was
before training is fitted to such volumes of training clips. What it then says of held-out clips is
what grid and renderer allow, whatever is put before them. Metres, in the frame's ego axes.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.build.pretraining import build_model
from mim4d.build.trunk import without_weights_file
from mim4d.config import PretrainConfig
from mim4d.data.clip import Clip, ego_from_camera
from mim4d.evaluation.truth import TruthReader
from mim4d.evaluation.view import spread
from mim4d.geometry.camera import project, unproject
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.rays import Rays
from mim4d.rendering.renderer import NeusRenderer
from mim4d.tensors.pixels import unit_colours
from mim4d.tensors.records import map_tensors, take

FIT_CLIPS, FIT_STEPS, FIT_RAYS, FIT_LR = 24, 400, 768, 5e-3
COLOUR_WEIGHT = 10.0
_POINT_STRIDE, _CHUNK = 2, 1024
_CHANNELS = 4


def exact_volume(
    frame: Clip, depths_m: Float[Tensor, "n h w"], grid: VoxelGrid, channels: int
) -> Float[Tensor, "1 c z y x"]:
    """A volume that says exactly where surfaces are, and in which colour.

    Args:
        frame: A clip of one frame (b t = 1).
        depths_m: Exact depth of every pixel of its padded images; 0 where there is none.
        grid: Of the volume.
        channels: Of the volume, at least 4; those that are not needed are 0.

    Raises:
        ValueError: If there are too few channels.
    """
    if channels < _CHANNELS:
        raise ValueError(
            f"--ceilings: volumes of {channels} channels; expected {_CHANNELS} or more"
        )
    points, colours = _coloured_surface(frame, depths_m)
    centres = grid.centres_ego.reshape(-1, 3).to(points)
    # Within so many metres a trilinear lookup sees the surface cross zero.
    reach = 2 * max(grid.voxel_size_m)
    distance = torch.full((len(centres),), reach, device=points.device)
    colour = torch.full((len(centres), 3), 0.5, device=points.device)
    if len(points):
        parts = [torch.cdist(part, points).min(dim=1) for part in centres.split(_CHUNK)]
        distance = torch.cat([part.values for part in parts])
        colour = colours[torch.cat([part.indices for part in parts])]
    sign = torch.where(_in_front(frame, depths_m, centres), 1.0, -1.0)
    volume = torch.zeros(channels, len(centres), device=points.device)
    volume[0] = (sign * distance).clamp(-reach, reach) / reach
    volume[1:_CHANNELS] = colour.T - 0.5
    return volume.view(1, channels, *grid.shape_zyx)


def surface_points(frame: Clip, depths_m: Float[Tensor, "n h w"]) -> Float[Tensor, "p 3"]:
    """Points on what the cameras of a frame see, in its ego axes, metres.

    Args:
        frame: A clip of one frame (b t = 1).
        depths_m: Exact depth of every pixel of its padded images; 0 where there is none.
    """
    return _coloured_surface(frame, depths_m)[0]


def _coloured_surface(
    frame: Clip, depths_m: Float[Tensor, "n h w"]
) -> tuple[Float[Tensor, "p 3"], Float[Tensor, "p 3"]]:
    """Points on what the cameras see, and their colours."""
    thinned = (..., slice(None, None, _POINT_STRIDE), slice(None, None, _POINT_STRIDE))
    depths = depths_m[thinned].flatten(1)
    pixels = cell_centres((depths_m.shape[-2], depths_m.shape[-1])).to(depths_m)
    pixels = pixels[::_POINT_STRIDE, ::_POINT_STRIDE].flatten(0, 1).expand(len(depths), -1, -1)
    points_camera = unproject(frame.intrinsics[0, 0], pixels, depths)
    points = transform_points(ego_from_camera(frame)[0, 0], points_camera)
    images = unit_colours(frame.images[0, 0])[thinned]
    known = depths > 0
    return points[known], rearrange(images, "n k h w -> n (h w) k")[known]


def _in_front(
    frame: Clip, depths_m: Float[Tensor, "n h w"], points_ego: Float[Tensor, "v 3"]
) -> Tensor:
    """Whether some camera sees past a point; above the road where no camera looks."""
    camera_from_ego = invert_rigid(ego_from_camera(frame)[0, 0])
    pixels, depth = project(frame.intrinsics[0, 0], transform_points(camera_from_ego, points_ego))
    extent = frame.image_sizes[0, 0].flip(-1).unsqueeze(1)
    inside = ((pixels >= 0) & (pixels < extent)).all(dim=-1) & (depth > 0)
    u, v = torch.where(inside.unsqueeze(-1), pixels, 0.0).long().unbind(dim=-1)
    surface = depths_m.flatten(1).gather(1, v * depths_m.shape[-1] + u)
    free = inside & ((surface == 0) | (depth < surface))
    return torch.where(inside.any(dim=0), free.any(dim=0), points_ego[:, 2] > 0)


def fit_renderer(config: PretrainConfig, training: TruthReader, accelerator: str) -> NeusRenderer:
    """Fit a renderer to exact volumes of training clips; a minute or two on one core.

    Args:
        config: Of the run whose grid and renderer are asked about.
        training: Exact truth of training clips of one frame, at any lattice.
        accelerator: Where to compute.
    """
    torch.manual_seed(config.seed)
    renderer = build_model(without_weights_file(config)).renderer.to(accelerator)
    # Volumes are exact from the first step on, so surfaces stay as sharp as training starts:
    # beside a decoder that knows nothing yet, a learned sharpness would only fall.
    renderer.field.sharpness_exponent.requires_grad_(False)
    learned = [each for each in renderer.parameters() if each.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=FIT_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, FIT_STEPS)
    generator = torch.Generator().manual_seed(config.seed)
    samples = [_sample(config, training, i) for i in spread(len(training.dataset), FIT_CLIPS)]
    for step in range(FIT_STEPS):
        volume, rays, colours, distances = samples[step % len(samples)]
        index = torch.randint(len(distances), (FIT_RAYS,), generator=generator)
        chosen = take(rays, (slice(None), index))
        chosen = map_tensors(chosen, lambda tensor: tensor.to(accelerator))
        seen = renderer(volume.to(accelerator), chosen, renderer.draw_jitter(chosen, generator))
        colour = (seen.colours[0] - colours[index].to(accelerator)).abs().mean()
        target = distances[index].to(accelerator)
        known = ~target.isnan()
        logs = seen.distances[0][known].clamp(min=1e-3).log() - target[known].log()
        loss = COLOUR_WEIGHT * colour + logs.abs().sum() / known.sum().clamp(min=1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return renderer.eval()


def _sample(
    config: PretrainConfig, training: TruthReader, index: int
) -> tuple[Tensor, Rays, Float[Tensor, "r 3"], Float[Tensor, " r"]]:
    """The exact volume of a training clip, its rays, and what they should see."""
    clip, view = training.dataset[index], training.view
    depths = training.depths(index, clip)
    assert depths is not None, "fitted where exact distances are known"
    volume = exact_volume(clip, depths, view.grid, config.lift.channels)
    shown = view.shown(clip).flatten().nonzero().squeeze(1)
    colours = view.colours(clip).flatten(0, 2)[shown]
    distances = training.distances(index, clip).flatten()[shown]
    return volume, take(view.rays(clip), (slice(None), shown)), colours, distances
