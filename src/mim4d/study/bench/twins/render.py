"""Twin of the NeuS renderer: gathers, and the gradient of the SDF by autograd.

The SDF's gradient is `autograd.grad` with a graph, so that the backward pass differentiates twice.
All rays are rendered at once, as published; nothing is computed again for the gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mim4d.rendering.renderer import Rendering


def render(
    renderer: Any,
    volume: Float[Tensor, "b c z y x"],
    rays: Any,
    jitter: Sequence[Float[Tensor, "b r"]] | None = None,
) -> Rendering:
    """What a `NeusRenderer` sees, sampled in the middle of sections and without an epsilon."""
    assert renderer.sample_at == "middle", "only samples in the middle have a twin"
    assert renderer.alpha_epsilon == 0, "only opacities without an epsilon have a twin"
    field = renderer.field
    edges = _edges(renderer, volume, rays, jitter)
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    points = rays.origins[:, :, None] + rays.directions[:, :, None] * middles.unsqueeze(-1)
    sdf, gradient, colours = _field(field, volume, points, rays.directions)
    sharpness = torch.exp(10 * field.sharpness_exponent).clamp(1e-6, 1e6)
    slope = (gradient * rays.directions[:, :, None]).sum(dim=-1)
    drop = F.relu(-slope) * edges.diff(dim=-1) / 2
    weights = _weights(_alpha(sdf + drop, sdf - drop, sharpness))
    colour = (weights.unsqueeze(-1) * colours).sum(dim=2)
    if renderer.background is not None:
        passing = 1 - weights.sum(dim=-1, keepdim=True)
        colour = colour + passing * _behind(renderer.background, volume, rays)
    seen = {
        "colours": colour,
        "distances": (weights * middles).sum(dim=-1) + (1 - weights.sum(dim=-1)) * rays.far,
        "opacity": weights.sum(dim=-1),
        "weights": weights,
        "sample_distances": middles,
        "sdf": sdf,
        "sdf_gradient": gradient,
    }
    for name, value in seen.items():
        valid = rays.valid.view(*rays.valid.shape, *[1] * (value.ndim - 2))
        seen[name] = torch.where(valid, value, torch.zeros_like(value))
    return Rendering(**seen, valid=rays.valid)


def _field(
    field: Any, volume: Tensor, points: Float[Tensor, "b r s 3"], directions: Tensor
) -> tuple[Float[Tensor, "b r s"], Float[Tensor, "b r s 3"], Float[Tensor, "b r s 3"]]:
    """Signed distance, its gradient and colour of every sample."""
    unit = field.length_unit_m
    with torch.enable_grad():
        places = points.detach().requires_grad_()
        features = _lookup(volume, places.flatten(1, 2), field.grid).unflatten(1, points.shape[1:3])
        shape = features[..., : field.sdf_decoder.from_features.in_features]
        outputs = _mlp(field.sdf_decoder, places / unit, shape, _softplus)
        sdf = outputs[..., 0] * unit
        if field.sdf_start == "ground":
            sdf = sdf + places[..., 2]
        (gradient,) = torch.autograd.grad(sdf.sum(), places, create_graph=True)
    per_sample = directions[:, :, None].expand_as(points)
    conditions = torch.cat([per_sample, features, gradient, outputs[..., 1:]], dim=-1)
    colours = _mlp(field.colour_decoder, points / unit, conditions, F.relu)
    return sdf, gradient, torch.sigmoid(colours)


def _behind(background: Any, volume: Tensor, rays: Any) -> Float[Tensor, "b r 3"]:
    """What shows where nothing stops a ray."""
    exits = rays.origins + rays.directions * rays.far.unsqueeze(-1)
    local = _lookup(volume, exits, background.grid)
    whole = volume.mean(dim=(2, 3, 4)).unsqueeze(1).expand(-1, local.shape[1], -1)
    waves = [f(k * rays.directions) for k in (1.0, 2.0, 4.0) for f in (torch.sin, torch.cos)]
    return torch.sigmoid(background.layers(torch.cat([rays.directions, *waves, whole, local], -1)))


def _lookup(
    volume: Float[Tensor, "b c z y x"], points: Float[Tensor, "b q 3"], grid: Any
) -> Float[Tensor, "b q c"]:
    """Trilinear interpolation: all eight corners gathered, weighted and summed; zero outside."""
    b, c, z, y, x = volume.shape
    table = volume.permute(0, 2, 3, 4, 1).reshape(b * z * y * x, c)
    place = grid.to_grid(points) - 0.5
    lower = place.detach().floor()
    fraction = (place - lower).unsqueeze(2)  # b q 1 3
    corners = torch.tensor([[k & 1, k >> 1 & 1, k >> 2 & 1] for k in range(8)]).to(lower)
    index = lower.unsqueeze(2) + corners  # b q 8 3
    shape = lower.new_tensor([x, y, z])
    weight = torch.where(corners > 0, fraction, 1 - fraction).prod(dim=-1)
    weight = weight * ((index >= 0) & (index < shape)).all(dim=-1)
    i, j, k = index.clamp(min=0).minimum(shape - 1).long().unbind(-1)
    clip = torch.arange(b, device=volume.device).view(b, 1, 1)
    rows = table[((clip * z + k) * y + j) * x + i]  # b q 8 c
    return (rows * weight.unsqueeze(-1)).sum(dim=2)


def _mlp(
    decoder: Any, points: Tensor, features: Tensor, activation: Callable[[Tensor], Tensor]
) -> Tensor:
    """Apply x ← activation(W (x + C f) + b), layer by layer, each with its own product C f."""
    first, layers = decoder.from_points, decoder.layers
    x = F.linear(points, first.weight, first.bias)
    widths = zip(
        decoder.from_features.weight.chunk(len(layers)),
        decoder.from_features.bias.chunk(len(layers)),
        strict=True,
    )
    for place, (layer, (weight, bias)) in enumerate(zip(layers, widths, strict=True)):
        x = F.linear(x + F.linear(features, weight, bias), layer.weight, layer.bias)
        if place + 1 < len(layers):
            x = activation(x)
    return x


def _softplus(x: Tensor) -> Tensor:
    return F.softplus(x, beta=100)


@torch.no_grad()
def _edges(
    renderer: Any, volume: Tensor, rays: Any, jitter: Sequence[Tensor] | None
) -> Float[Tensor, "b r e"]:
    """Fence posts of the sections: uniform, then where the SDF says the surface is."""
    draws: Sequence[Tensor | None] = jitter or [None] * (1 + renderer.importance_steps)
    posts = torch.linspace(0, 1, renderer.num_samples + 1, device=volume.device)
    share = posts.expand(*rays.near.shape, -1)
    if draws[0] is not None:
        middles = (posts[1:] + posts[:-1]) / 2
        low, high = torch.cat([posts[:1], middles]), torch.cat([middles, posts[-1:]])
        share = low + (high - low) * draws[0].unsqueeze(-1)
    near, far = rays.near.unsqueeze(-1), rays.far.unsqueeze(-1)
    if renderer.spacing == "log":
        edges = (1 + near) * ((1 + far) / (1 + near)) ** share - 1
    else:
        edges = near + (far - near) * share
    for step in range(renderer.importance_steps):
        weights = _section_weights(renderer, volume, rays, edges, 2**step)
        count = renderer.num_importance // renderer.importance_steps
        drawn = draws[step + 1]
        offset = torch.full_like(rays.near, 0.5) if drawn is None else drawn
        shares = (torch.arange(count, device=volume.device) + offset.unsqueeze(-1)) / count
        edges = torch.cat([edges, _invert(edges, weights, shares)], dim=-1).sort(dim=-1).values
    return edges


def _section_weights(
    renderer: Any, volume: Tensor, rays: Any, edges: Float[Tensor, "b r e"], factor: int
) -> Float[Tensor, "b r e-1"]:
    """Rendering weights of the sections by the SDF at their ends."""
    field = renderer.field
    points = rays.origins[:, :, None] + rays.directions[:, :, None] * edges.unsqueeze(-1)
    features = _lookup(volume, points.flatten(1, 2), field.grid).unflatten(1, points.shape[1:3])
    outputs = _mlp(field.sdf_decoder, points / field.length_unit_m, features, _softplus)
    sdf = outputs[..., 0] * field.length_unit_m
    if field.sdf_start == "ground":
        sdf = sdf + points[..., 2]
    lengths = edges.diff(dim=-1)
    slope = sdf.diff(dim=-1) / (lengths + 1e-5 * field.length_unit_m)
    before = F.pad(slope[..., :-1], (1, 0))
    drop = -torch.minimum(slope, before).clamp(-1000, 0) * lengths / 2
    middle = (sdf[..., 1:] + sdf[..., :-1]) / 2
    sharpness = renderer.importance_sharpness_per_m * factor
    return _weights(_alpha(middle + drop, middle - drop, sharpness))


def _alpha(start: Tensor, end: Tensor, sharpness: Tensor | float) -> Tensor:
    """1 − σ(S·end) / σ(S·start), by logarithms."""
    return -torch.expm1(F.logsigmoid(end * sharpness) - F.logsigmoid(start * sharpness))


def _weights(alpha: Tensor) -> Tensor:
    """α_i Π_{j<i} (1 − α_j)."""
    passing = torch.cumprod(F.pad(1 - alpha[..., :-1] + 1e-7, (1, 0), value=1.0), dim=-1)
    return alpha * passing


def _invert(edges: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """Positions below which the given shares of the weight lie."""
    total = weights.sum(dim=-1, keepdim=True)
    missing = (1e-5 - total).clamp(min=0)
    cdf = ((weights + missing / weights.shape[-1]) / (total + missing)).cumsum(dim=-1).clamp(max=1)
    cdf = F.pad(cdf, (1, 0))
    above = torch.searchsorted(cdf, shares.contiguous(), right=True)
    below = (above - 1).clamp(min=0)
    above = above.clamp(max=cdf.shape[-1] - 1)
    low, high = cdf.gather(-1, below), cdf.gather(-1, above)
    width = torch.where(high - low < 1e-5, torch.ones_like(low), high - low)
    start, end = edges.gather(-1, below), edges.gather(-1, above)
    return start + ((shares - low) / width).clamp(0, 1) * (end - start)
