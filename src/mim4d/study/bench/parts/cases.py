"""Parts with their inputs, ready to be run: the same numbers in any version of the library."""

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .case import Case, Outputs
from .configuration import configuration
from .library import as_sources, find, volume_channels
from .parameters import Parameters
from .scene import made_up_clip


def build_case(parameters: Parameters, twin: bool = False) -> Case:
    """Build a part with random weights.

    Args:
        parameters: Which, and how large.
        twin: Take the part's twin, with the same weights.
    """
    config = configuration(parameters)
    torch.manual_seed(parameters.seed)
    model = find("build_model")(config)
    _disturb(model, parameters.seed)
    model.train()
    if twin:
        from ..twins.install import install_twins

        install_twins(model)
    case = _BUILDERS[parameters.part](parameters, config, model, twin)
    del model
    gc.collect()
    return case


def _disturb(model: nn.Module, seed: int) -> None:
    """Move every weight a little, so that no branch is switched off by its start at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)


def _clip(parameters: Parameters, config: Any) -> Any:
    size = (config.clip.image_height, config.clip.image_width)
    clips = [
        made_up_clip(config.clip.frames, size, cameras=parameters.cameras, seed=k)
        for k in range(parameters.batch)
    ]
    if len(clips) == 1:
        return clips[0]
    from mim4d.data.clip import collate

    return collate(clips)


def _random(parameters: Parameters, *shape: int, grad: bool = True) -> Tensor:
    generator = torch.Generator().manual_seed(parameters.seed + sum(shape))
    return torch.randn(shape, generator=generator).requires_grad_(grad)


def _encoder(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    encoder, count = model.encoder.image_encoder, parameters.images or 6
    h, w = config.clip.image_height, config.clip.image_width
    images = torch.rand(count, 3, h, w, generator=torch.Generator().manual_seed(parameters.seed))
    drawn = model.masking.draw((1, 1, *images.shape), torch.Generator().manual_seed(0))
    return Case(encoder, lambda: encoder(images, drawn[0, 0]), [], parameters.seed)


class _NeckAndDepth(nn.Module):
    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.neck, self.depth_head = encoder.neck, encoder.depth_head


def _level_sizes(config: Any, model: Any) -> list[tuple[int, int]]:
    """Rows and columns of the neck's levels."""
    encoder = model.encoder.image_encoder
    h, w = config.clip.image_height, config.clip.image_width
    sizes = [(h // stride, w // stride) for stride in encoder.strides]
    count = config.encoder.lift_levels
    count = len(sizes) if count is None else count
    while len(sizes) < count:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes[:count]


def _neck_depth(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    encoder = model.encoder
    h, w = config.clip.image_height, config.clip.image_width
    clip = _clip(parameters, config)
    count = clip.images.shape[0] * clip.images.shape[1] * clip.images.shape[2]
    trunk = encoder.image_encoder
    inputs = [
        _random(parameters, count, c, h // stride, w // stride, grad=False)
        for c, stride in zip(trunk.channels, trunk.strides, strict=True)
    ]
    if not twin:  # as the library's encoder leaves its maps: channels innermost
        inputs = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
    inputs = [x.requires_grad_() for x in inputs]

    def forward() -> Outputs:
        levels = encoder.neck(inputs)
        features, probs = encoder.depth_head(levels, encoder._rays(clip, levels))
        return [*features, *probs]

    return Case(_NeckAndDepth(encoder), forward, inputs, parameters.seed)


def _lift(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    encoder, clip = model.encoder, _clip(parameters, config)
    images = clip.images.shape[0] * clip.images.shape[1] * clip.images.shape[2]
    channels, bins = config.encoder.neck_channels, config.lift.num_bins
    sizes = _level_sizes(config, model)
    features = [_random(parameters, images, channels, *size) for size in sizes]
    logits = [_random(parameters, images, bins, *size, grad=False) for size in sizes]
    probs = [x.softmax(dim=1).requires_grad_() for x in logits]
    return Case(
        nn.Module(),
        lambda: [encoder._lift(clip, features, probs)],
        [*features, *probs],
        parameters.seed,
    )


def _volume_conv(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    conv, grid = model.encoder.volume_conv, model.encoder.grid
    count = parameters.batch * config.clip.frames
    channels = config.encoder.neck_channels
    lifted = _random(parameters, count, channels, *grid.shape_zyx, grad=False)
    if not twin:  # as the library's lifting leaves it
        lifted = lifted.contiguous(memory_format=torch.channels_last_3d)
    lifted = lifted.requires_grad_()
    return Case(conv, lambda: [conv(lifted)], [lifted], parameters.seed)


def _motions(clip: Any, dropped: int) -> Tensor:
    """From the dropped frame to every other."""
    poses = clip.ref_from_ego
    sources = [frame for frame in range(poses.shape[1]) if frame != dropped]
    return torch.linalg.inv(poses[:, sources]) @ poses[:, dropped : dropped + 1]


def _warp(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    """Every frame's sources brought into it, for as many frames as a step drops."""
    grid, clip = model.encoder.grid, _clip(parameters, config)
    count = max(1, config.mask.num_dropped)
    frames = [clip.num_frames - 1 - k for k in range(count)]
    motions = torch.cat([_motions(clip, frame).flatten(0, 1) for frame in frames])
    channels = volume_channels(config)
    volumes = _random(parameters, len(motions), channels, *grid.shape_zyx)
    return Case(
        nn.Module(), lambda: [model.warp(volumes, motions, grid)[0]], [volumes], parameters.seed
    )


def _decoder(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    decoder, grid = model.decoder, model.encoder.grid
    targets = parameters.batch * max(1, config.mask.num_dropped)
    count, channels = config.clip.frames - 1, volume_channels(config)
    warped = _random(parameters, targets, count, channels, *grid.shape_zyx)
    generator = torch.Generator().manual_seed(parameters.seed)
    valid = torch.rand(targets, count, *grid.shape_zyx, generator=generator) < 0.8
    dt_s = (torch.arange(count) - count + 0.4).expand(targets, -1) * 0.5
    present = torch.ones(targets, count, dtype=torch.bool)
    sources = as_sources(warped, valid, dt_s, present)
    return Case(decoder, lambda: [decoder(*sources)], [warped], parameters.seed)


def _render(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    renderer, grid = model.renderer, model.encoder.grid
    count = parameters.rays or config.render.rays_per_camera * parameters.cameras
    generator = torch.Generator().manual_seed(parameters.seed)
    channels = volume_channels(config)
    volume = _random(parameters, parameters.batch, channels, *grid.shape_zyx)
    directions = torch.randn(parameters.batch, count, 3, generator=generator)
    directions = directions * directions.new_tensor([1.0, 1.0, 0.15])
    directions = nn.functional.normalize(directions, dim=-1)
    origins = torch.tensor([1.0, 0.0, 1.5]).expand(parameters.batch, count, 3).contiguous()
    exists = torch.ones(parameters.batch, count, dtype=torch.bool)
    rays = find("make_rays")(origins, directions, exists, model.bounds, config.render.near_m)
    jitter = renderer.draw_jitter(rays, generator)

    def forward() -> Outputs:
        seen = renderer(volume, rays, jitter)
        return [seen.colours, seen.distances]

    return Case(renderer, forward, [volume], parameters.seed)


def _step(parameters: Parameters, config: Any, model: Any, twin: bool) -> Case:
    """Forward, losses, backward, clipping and AdamW at learning rate 0: the weights stay."""
    clip = _clip(parameters, config)
    module = find("PretrainingModule")(model, config)
    optimizer, _ = find("build_optimizer")(model, model.encoder.image_encoder, config.optim)
    for group in optimizer.param_groups:
        group["lr"] = 0.0

    def forward() -> Outputs:
        return [module.step_losses(clip, 0)["loss"]]

    def finish() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), config.optim.clip_norm)
        optimizer.step()

    return Case(model, forward, [], parameters.seed, finish)


_BUILDERS: dict[str, Callable[[Parameters, Any, Any, bool], Case]] = {
    "encoder": _encoder,
    "neck_depth": _neck_depth,
    "lift_lookup": _lift,
    "lift_splat": _lift,
    "volume_conv": _volume_conv,
    "warp": _warp,
    "decoder": _decoder,
    "render": _render,
    "step": _step,
}
