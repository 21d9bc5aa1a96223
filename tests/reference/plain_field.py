"""Slow twins of the radiance field and of rendering with it: one plain operation after the other.

This is the field as the renderer ran it before it went block by block: each layer a call over all
samples, all conditions of the colour decoder in one concatenation, gradients by autograd.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mim4d.geometry.rigid import apply_linear, transform_points
from mim4d.rendering.compositing import render_colour, render_distance, render_weights
from mim4d.rendering.decoders import ColourDecoder, SdfDecoder
from mim4d.rendering.neus import alpha_from_sdf
from mim4d.rendering.rays import Rays
from mim4d.rendering.renderer import NeusRenderer, Rendering
from mim4d.rendering.sampling import sample_distances
from mim4d.rendering.sdf_field import FieldSamples, SdfField
from tests.reference.volume_lookup import lookup_with_derivative


def sdf_with_derivatives(
    decoder: SdfDecoder, points: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, ∂sdf/∂points and ∂sdf/∂features, each with the other held fixed."""
    x = decoder.from_points(points)
    slopes: list[Tensor] = []
    layers = decoder.linear_layers()
    for i, (layer, condition) in enumerate(zip(layers, decoder.conditions(features), strict=True)):
        if i > 0:
            slopes.append(torch.sigmoid(100 * x))
            x = F.softplus(x, beta=100)
        x = layer(x + condition)
    adjoint = layers[-1].weight[:1].expand(points.shape[0], -1)
    adjoints = [adjoint]
    for layer, slope in zip(layers[-2::-1], slopes[::-1], strict=True):
        adjoint = (adjoint * slope) @ layer.weight
        adjoints.append(adjoint)
    by_features = torch.cat(adjoints[::-1], dim=-1) @ decoder.from_features.weight
    return x, adjoint @ decoder.from_points.weight, by_features


def colour_of(decoder: ColourDecoder, points: Tensor, features: Tensor) -> Tensor:
    """RGB of each point under its conditioning features."""
    x = decoder.from_points(points)
    layers = decoder.linear_layers()
    for i, (layer, condition) in enumerate(zip(layers, decoder.conditions(features), strict=True)):
        x = layer((x if i == 0 else F.relu(x)) + condition)
    return torch.sigmoid(x)


def plain_field(
    field: SdfField, volume: Tensor, points_ego: Tensor, directions: Tensor
) -> FieldSamples:
    """`SdfField.forward`, all samples at once."""
    turn = field.grid.box_from_ego[:3, :3].to(volume)
    flat = points_ego.flatten(0, 2)
    features, slopes = (
        t.flatten(0, 1)
        for t in lookup_with_derivative(volume, points_ego.flatten(1, 2), field.grid)
    )
    scaled = transform_points(field.grid.box_from_ego.to(flat), flat) / field.length_unit_m
    outputs, by_point, by_features = sdf_with_derivatives(field.sdf_decoder, scaled, features)
    through_features = torch.einsum("qkc,qc->qk", slopes, by_features)
    gradient = apply_linear(turn.T, by_point) + field.length_unit_m * through_features
    sdf = outputs[:, 0] * field.length_unit_m
    if field.sdf_start == "ground":
        sdf = sdf + flat[:, 2]
        gradient = gradient + gradient.new_tensor([0.0, 0.0, 1.0])
    per_sample = directions[:, :, None].expand_as(points_ego).reshape(-1, 3)
    conditions = [
        apply_linear(turn, per_sample),
        features,
        apply_linear(turn, gradient),
        outputs[:, 1:],
    ]
    colours = colour_of(field.colour_decoder, scaled, torch.cat(conditions, dim=-1))
    shape = points_ego.shape[:3]
    return FieldSamples(*(t.unflatten(0, shape) for t in (sdf, gradient, colours)))


def plain_rendering(renderer: NeusRenderer, volume: Tensor, rays: Rays, edges: Tensor) -> Rendering:
    """Rendering of rays that are all valid, with the sections' fence posts given."""
    distances = sample_distances(edges, renderer.sample_at)
    points = rays.origins[:, :, None] + rays.directions[:, :, None] * distances.unsqueeze(-1)
    samples = plain_field(renderer.field, volume, points, rays.directions)
    alpha = alpha_from_sdf(
        samples.sdf,
        samples.sdf_gradient,
        rays.directions,
        edges.diff(dim=-1),
        renderer.field.sharpness,
        epsilon=renderer.alpha_epsilon,
    )
    weights = render_weights(alpha)
    return Rendering(
        colours=render_colour(weights, samples.colours),
        distances=render_distance(weights, distances, rays.far),
        opacity=weights.sum(dim=-1),
        weights=weights,
        sample_distances=distances,
        sdf=samples.sdf,
        sdf_gradient=samples.sdf_gradient,
        valid=rays.valid,
    )
