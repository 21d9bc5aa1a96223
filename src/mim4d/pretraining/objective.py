"""The losses of one step, named and weighted.

Both renderings, the direct volumes' and the rebuilt frame's, answer to the same cameras and LiDAR
(MIM4D, arXiv 2403.08760: colour and depth losses weigh equally; ours are in metres).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.depth_head import DepthBins
from mim4d.pretraining.flow_losses import (
    box_velocities,
    flow_error,
    flow_smoothness,
    flow_speed,
)
from mim4d.pretraining.losses import (
    colour_l1,
    depth_cross_entropy,
    distance_l1,
    distance_relative,
    eikonal,
    obstacle_weights,
)
from mim4d.pretraining.photometric.terms import (
    PhotometricOptions,
    RayEvidence,
    cell_smoothness,
    gather_evidence,
    images_of_frames,
    plane_sweep_cell_cost,
    plane_sweep_ray_terms,
    rendered_cost,
)
from mim4d.pretraining.photometric.views import clip_views
from mim4d.pretraining.step import Reconstruction, StepChoices
from mim4d.rendering.rays import Rays, RayTargets, distance_to_ground
from mim4d.rendering.renderer import Rendering


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; see `LossConfig`.

    `comparison` says how the photometric terms compare images; None if none of them is asked for.
    """

    colour: float
    distance: float
    relative_distance: float
    eikonal: float
    predicted: float
    depth: float
    photometric: float = 0.0
    sweep: float = 0.0
    sweep_distance: float = 0.0
    depth_sweep: float = 0.0
    smoothness: float = 0.0
    obstacle: float = 0.0
    flow_render: float = 0.0
    flow_smoothness: float = 0.0
    flow_static: float = 0.0
    flow_label: float = 0.0
    comparison: PhotometricOptions | None = None

    @property
    def swept(self) -> bool:
        """Whether some term reads a plane sweep."""
        return max(self.sweep, self.sweep_distance, self.depth_sweep) > 0


def pretraining_losses(
    reconstruction: Reconstruction,
    choices: StepChoices,
    clip: Clip,
    weights: LossWeights,
    bins: DepthBins,
    grid: VoxelGrid,
) -> dict[str, Tensor]:
    """Every term unweighted, by name, and their weighted sum as `loss`.

    Each is the mean over the clips of the batch of what the clip alone would give. `distance` and
    `predicted_distance` are mean absolute errors in metres. What is rebuilt is there only if
    frames were dropped.

    Args:
        reconstruction: What the model made of the batch.
        choices: What was drawn for the step.
        clip: The batch; the photometric terms compare its images.
        weights: A term whose weight is 0 is left out, but for the errors of LiDAR rays.
        bins: The depth head's.
        grid: The volumes' voxels.
    """
    evidence = None
    if weights.comparison is not None:
        evidence = gather_evidence(clip, choices.targets, weights.comparison, bins, weights.swept)
    terms = _Terms(weights, clip, bins)
    direct = terms.of_rays(
        reconstruction.direct,
        reconstruction.direct_rays,
        reconstruction.direct_targets,
        evidence and evidence.take(images_of_frames(clip, reconstruction.direct_frames)),
    )
    cells = terms.of_cells(reconstruction.depth_probs, choices, evidence)
    loss = terms.weighted_sum(direct) + terms.weighted_sum(cells)
    named = {**direct, **cells}
    rebuilt = {"predicted": (reconstruction.predicted, weights.predicted)}
    rebuilt["flow"] = (reconstruction.flow_mean, weights.flow_render)
    for name, (rendering, weight) in rebuilt.items():
        if rendering is None:
            continue
        found = terms.of_rays(
            rendering,
            reconstruction.predicted_rays,
            reconstruction.predicted_targets,
            evidence and evidence.take(images_of_frames(clip, choices.dropped)),
        )
        loss = loss + weight * terms.weighted_sum(found)
        named |= {f"{name}_{term}": value for term, value in found.items()}
    if reconstruction.scene_flow is not None:
        found = terms.of_flow(reconstruction.scene_flow, choices.dropped, grid)
        loss = loss + terms.weighted_sum(found)
        named |= found
    return {"loss": loss, **named}


@dataclass(frozen=True)
class _Terms:
    """The terms of one step by name, unweighted."""

    weights: LossWeights
    clip: Clip
    bins: DepthBins

    def of_rays(
        self, rendering: Rendering, rays: Rays, targets: RayTargets, evidence: RayEvidence | None
    ) -> dict[str, Tensor]:
        """Terms of renderings whose leading axis joins the clips and their frames."""

        def by_clip(values: Tensor) -> Tensor:
            return values.unflatten(0, (self.clip.batch_size, -1))

        valid = by_clip(rays.valid)
        measured = valid & by_clip(targets.valid_distances)
        distances, measured_at = by_clip(rendering.distances), by_clip(targets.distances)
        counts = self._weights(measured_at, by_clip(distance_to_ground(rays)))
        terms = {
            "colour": colour_l1(by_clip(rendering.colours), by_clip(targets.colours), valid),
            "distance": distance_l1(distances, measured_at, measured, counts),
            "relative_distance": distance_relative(distances, measured_at, measured, counts),
        }
        if self.weights.eikonal > 0:
            terms["eikonal"] = eikonal(by_clip(rendering.sdf_gradient), valid)
        if evidence is not None and self.weights.photometric > 0:
            terms["photometric"] = rendered_cost(rendering, evidence, self.clip.batch_size)
        if evidence is not None and max(self.weights.sweep, self.weights.sweep_distance) > 0:
            terms["sweep"], terms["sweep_distance"] = plane_sweep_ray_terms(
                rendering, rays.far, evidence, self.clip.batch_size
            )
        return terms

    def of_cells(
        self,
        depth_probs: Float[Tensor, "b t n d hf wf"],
        choices: StepChoices,
        evidence: RayEvidence | None,
    ) -> dict[str, Tensor]:
        """Terms of the lifting's depth distributions."""
        bins, terms = self.bins, {}
        if self.weights.depth > 0:
            terms["depth"] = depth_cross_entropy(
                depth_probs,
                choices.cell_depths,
                choices.valid_cells,
                bins.first_m,
                bins.last_m,
                self._weights(choices.cell_depths, choices.cell_ground_depths),
            )
        if evidence is not None and self.weights.depth_sweep > 0:
            terms["depth_sweep"] = plane_sweep_cell_cost(depth_probs, evidence, bins)
        if self.weights.smoothness > 0:
            terms["smoothness"] = cell_smoothness(depth_probs, clip_views(self.clip), bins)
        return terms

    def of_flow(
        self, scene_flow: Float[Tensor, "m 3 z y x"], dropped: Int[Tensor, "b k"], grid: VoxelGrid
    ) -> dict[str, Tensor]:
        """Terms of the velocities themselves."""
        weights, terms = self.weights, {}
        if weights.flow_smoothness > 0:
            terms["flow_smoothness"] = flow_smoothness(scene_flow, grid.voxel_size_m)
        if weights.flow_static > 0:
            terms["flow_static"] = flow_speed(scene_flow)
        if weights.flow_label > 0:
            labels, valid = box_velocities(self.clip, dropped, grid)
            terms["flow_label"] = flow_error(scene_flow, labels, valid, self.clip.batch_size)
        return terms

    def _weights(self, measured_m: Tensor, ground_m: Tensor) -> Tensor | None:
        """How much each measurement counts; None: all alike."""
        extra = self.weights.obstacle
        return obstacle_weights(measured_m, ground_m, extra) if extra > 0 else None

    def weighted_sum(self, terms: dict[str, Tensor]) -> Tensor:
        """Sum of the terms, each times the weight of the same name."""
        weighted = [getattr(self.weights, name) * term for name, term in terms.items()]
        return torch.stack(weighted).sum() if weighted else torch.zeros(())
