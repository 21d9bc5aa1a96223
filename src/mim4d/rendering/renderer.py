"""The NeuS renderer: a volume and rays to colour, distance and opacity.

Enters: a volume `b c z y x` on the field's grid and `Rays` in the same ego frame, metres. Leaves: a
`Rendering`. Samples are placed uniformly, then where the SDF of the moment says the surface is, and
positions carry no gradient. NeuS, arXiv 2106.10689; MIM4D, arXiv 2403.08760, section 3.3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mim4d.rendering.background import Background
from mim4d.rendering.compositing import render_colour, render_distance, render_weights
from mim4d.rendering.neus import alpha_from_sdf
from mim4d.rendering.rays import Rays
from mim4d.rendering.sampling import (
    SampleAt,
    Spacing,
    importance_edges,
    sample_distances,
    section_weights,
    uniform_edges,
)
from mim4d.rendering.sdf_field import SdfField
from mim4d.tensors.records import join, take


@dataclass(frozen=True)
class Rendering:
    """What each ray sees, and the samples it was made of.

    Rays that are not valid are zero everywhere.

    Attributes:
        colours: RGB in [0, 1].
        distances: Expected distance along the ray, metres; `far` where nothing stops the ray.
        opacity: Share of the light that is stopped, Σw.
        weights: Share that is stopped at each sample.
        sample_distances: Position of each sample along its ray, metres.
        sdf: Signed distance at each sample, metres.
        sdf_gradient: Its gradient along the ego axes, not normalised.
        valid: The rays' own `valid`, for losses.
    """

    colours: Float[Tensor, "b r 3"]
    distances: Float[Tensor, "b r"]
    opacity: Float[Tensor, "b r"]
    weights: Float[Tensor, "b r s"]
    sample_distances: Float[Tensor, "b r s"]
    sdf: Float[Tensor, "b r s"]
    sdf_gradient: Float[Tensor, "b r s 3"]
    valid: Bool[Tensor, "b r"]


class NeusRenderer(nn.Module):
    """Sample, ask the field, composite.

    Args:
        field: Volume and points to SDF and colour.
        num_samples: Uniform sections per ray.
        num_importance: Sections added by importance, over all steps.
        importance_steps: In how many steps; the sharpness doubles from one to the next.
        importance_sharpness_per_m: Sharpness of the first step (released: 64 / 51.2).
        spacing: How the uniform sections are spaced; see `uniform_edges`.
        background: Volume and rays to the colour that shows where nothing stops a ray; None is
            black.
        chunk_rays: Ask the field about at most so many rays at once, over all volumes of a batch,
            and compute again for the gradient what lies between: the same values for less memory
            and more time. None, and more than there are rays, keeps it.

    Raises:
        ValueError: If `num_importance` is not a multiple of `importance_steps`.
    """

    # Released models have others: see `ImportedRenderer`.
    sample_at: SampleAt = "middle"
    alpha_epsilon = 0.0

    def __init__(
        self,
        field: SdfField,
        *,
        num_samples: int = 72,
        num_importance: int = 24,
        importance_steps: int = 1,
        importance_sharpness_per_m: float = 1.25,
        spacing: Spacing = "even",
        background: Background | None = None,
        chunk_rays: int | None = None,
    ) -> None:
        super().__init__()
        if importance_steps > 0 and num_importance % importance_steps:
            raise ValueError(
                f"renderer: {num_importance} importance samples cannot be split into "
                f"{importance_steps} equal steps; choose a multiple"
            )
        self.field = field
        self.num_samples = num_samples
        self.num_importance = num_importance if importance_steps else 0
        self.importance_steps = importance_steps if num_importance else 0
        self.importance_sharpness_per_m = importance_sharpness_per_m
        self.spacing = spacing
        self.background = background
        self.chunk_rays = chunk_rays

    def draw_jitter(self, rays: Rays, generator: torch.Generator) -> list[Float[Tensor, "b r"]]:
        """One random number in [0, 1) per ray for each sampling step, the same on any device."""
        return [
            torch.rand(rays.near.shape, generator=generator, device=generator.device).to(rays.near)
            for _ in range(1 + self.importance_steps)
        ]

    def forward(
        self,
        volume: Float[Tensor, "b c z y x"],
        rays: Rays,
        jitter: Sequence[Float[Tensor, "b r"]] | None = None,
    ) -> Rendering:
        """Render `rays` through `volume`.

        Args:
            volume: Features on the field's grid.
            rays: In the ego frame of the volume.
            jitter: From `draw_jitter`, in training; None places the samples deterministically.
        """
        # One copy here instead of one per lookup: the lookups then read the voxels in place.
        volume = volume.contiguous(memory_format=torch.channels_last_3d)
        rays = _finite(rays)
        return self._composite(volume, rays, self.sample_edges(volume, rays, jitter))

    def _composite(
        self,
        volume: Float[Tensor, "b c z y x"],
        rays: Rays,
        edges: Float[Tensor, "b r e"],
    ) -> Rendering:
        """Ask the field in each section, and composite."""
        distances = sample_distances(edges, self.sample_at)
        points = _points(rays, distances)
        samples = self.field(volume, points, rays.directions, self.chunk_rays)
        alpha = alpha_from_sdf(
            samples.sdf,
            samples.sdf_gradient,
            rays.directions,
            edges.diff(dim=-1),
            self.field.sharpness,
            epsilon=self.alpha_epsilon,
        )
        weights = render_weights(alpha)
        background = None if self.background is None else self.background(volume, rays)
        rendering = Rendering(
            colours=render_colour(weights, samples.colours, background),
            distances=render_distance(weights, distances, rays.far),
            opacity=weights.sum(dim=-1),
            weights=weights,
            sample_distances=distances,
            sdf=samples.sdf,
            sdf_gradient=samples.sdf_gradient,
            valid=rays.valid,
        )
        return _zero_invalid(rendering)

    @torch.no_grad()
    def sample_edges(
        self,
        volume: Float[Tensor, "b c z y x"],
        rays: Rays,
        jitter: Sequence[Float[Tensor, "b r"]] | None = None,
    ) -> Float[Tensor, "b r e"]:
        """Fence posts of all sections, without gradient."""
        draws: Sequence[Tensor | None] = jitter or [None] * (1 + self.importance_steps)
        with torch.autocast(device_type=volume.device.type, enabled=False):
            edges = uniform_edges(rays.near, rays.far, self.num_samples, draws[0], self.spacing)
            for step in range(self.importance_steps):
                weights = self.importance_weights(volume, rays, edges, step)
                count = self.num_importance // self.importance_steps
                edges = importance_edges(edges, weights, count, draws[step + 1], self.sample_at)
        return edges

    @torch.no_grad()
    def importance_weights(
        self,
        volume: Float[Tensor, "b c z y x"],
        rays: Rays,
        edges: Float[Tensor, "b r e"],
        step: int,
    ) -> Float[Tensor, "b r e-1"]:
        """Weight of each section by the SDF at its posts.

        With `sample_at="start"` the last post is not asked and the last section has no weight, as
        in the released code.
        """
        asked = edges[..., :-1] if self.sample_at == "start" else edges
        sdf = self.field.sdf(volume, _points(rays, asked), self.chunk_rays)
        sharpness = self.importance_sharpness_per_m * 2**step
        smallest = 1e-5 * self.field.length_unit_m
        weights = section_weights(sdf, asked, sharpness, self.alpha_epsilon, smallest)
        missing = edges.shape[-1] - 1 - weights.shape[-1]
        return torch.nn.functional.pad(weights, (0, missing))


@torch.no_grad()
def render_chunked(
    renderer: NeusRenderer, volume: Float[Tensor, "b c z y x"], rays: Rays, chunk: int = 8192
) -> Rendering:
    """Evaluate many rays (whole images) without gradient, `chunk` rays of each clip at a time."""
    volume = volume.contiguous(memory_format=torch.channels_last_3d)
    return join([renderer(volume, part) for part, _ in _chunks(rays, chunk)], dim=1)


def _chunks(rays: Rays, chunk: int) -> Iterator[tuple[Rays, slice]]:
    """`chunk` rays of each clip at a time, and which they are."""
    for start in range(0, rays.near.shape[1], chunk):
        part = slice(start, start + chunk)
        yield take(rays, (slice(None), part)), part


def _finite(rays: Rays) -> Rays:
    """Harmless numbers where rays are not valid: no NaN of theirs can reach a gradient."""
    valid, corner = rays.valid, rays.valid.unsqueeze(-1)
    return Rays(
        origins=torch.where(corner, rays.origins, 0.0),
        directions=torch.where(corner, rays.directions, 0.0),
        near=torch.where(valid, rays.near, 0.0),
        far=torch.where(valid, rays.far, 1.0),
        valid=valid,
    )


def _points(rays: Rays, distances: Float[Tensor, "b r s"]) -> Float[Tensor, "b r s 3"]:
    """Positions along the rays, ego metres."""
    return rays.origins[:, :, None] + rays.directions[:, :, None] * distances.unsqueeze(-1)


def _zero_invalid(rendering: Rendering) -> Rendering:
    """Zeros for invalid rays, in values and in gradients."""
    valid = rendering.valid
    of_samples, of_vectors = valid.unsqueeze(-1), valid[..., None, None]
    return Rendering(
        colours=torch.where(of_samples, rendering.colours, 0.0),
        distances=torch.where(valid, rendering.distances, 0.0),
        opacity=torch.where(valid, rendering.opacity, 0.0),
        weights=torch.where(of_samples, rendering.weights, 0.0),
        sample_distances=torch.where(of_samples, rendering.sample_distances, 0.0),
        sdf=torch.where(of_samples, rendering.sdf, 0.0),
        sdf_gradient=torch.where(of_vectors, rendering.sdf_gradient, 0.0),
        valid=valid,
    )
