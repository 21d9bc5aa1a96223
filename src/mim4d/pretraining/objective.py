"""The losses of one step, named and weighted.

Both renderings, the direct volumes' and the rebuilt frame's, answer to the same cameras and LiDAR
(MIM4D, arXiv 2403.08760: colour and depth losses weigh equally; ours are in metres).

A loss is one entry of `_ray_terms`, `_cell_terms` or `_flow_terms`: its name, its weight, what it
is. Its weight is one line of `LossConfig`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.config.loss import LossConfig
from mim4d.config.photometric import PhotometricConfig
from mim4d.data.clip import Clip
from mim4d.geometry.ground_plane import is_road
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.depth_head import DepthBins
from mim4d.pretraining.dropping import joined_index
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
    distance_log,
    distance_relative,
    distances_to_surface,
    eikonal,
    free_space,
    near_surface_sdf,
    obstacle_weights,
    termination,
)
from mim4d.pretraining.photometric.patch_cost import Patch
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
from mim4d.pretraining.records import Reconstruction
from mim4d.pretraining.targets import CellTargets, StepTargets
from mim4d.rendering.rays import Rays, RayTargets, distance_to_ground, sample_heights
from mim4d.rendering.renderer import Rendering
from mim4d.tensors.records import take

Terms = dict[str, tuple[float, Tensor]]
"""Losses by name: the weight of each, and its value without it."""
DEPTH_ALONE = "depth_alone"
"""Name of the cross-entropy in steps that teach nothing else, from other clips than whole ones."""


@dataclass(frozen=True)
class Objective:
    """What a pre-training is taught by.

    Attributes:
        loss: A term whose weight is 0 is left out, but for the errors of LiDAR rays.
        photometric: How images are compared, where a loss does.
        bins: The depth head's.
        grid: The volumes' voxels.
    """

    loss: LossConfig
    photometric: PhotometricConfig
    bins: DepthBins
    grid: VoxelGrid

    def __call__(
        self, reconstruction: Reconstruction, targets: StepTargets, clip: Clip
    ) -> dict[str, Tensor]:
        """Every term unweighted, by name, and their weighted sum as `loss`.

        Each is the mean over the clips of the batch of what the clip alone would give. `distance`
        and `predicted_distance` are mean absolute errors in metres. What is rebuilt is there only
        if frames were dropped.

        Args:
            reconstruction: What the model made of the batch.
            targets: What was measured for the step.
            clip: The batch; the photometric terms compare its images.
        """
        evidence = self._evidence(clip, targets.rays)
        direct = self._terms_of_frames(
            reconstruction.direct,
            reconstruction.direct_frames,
            reconstruction.direct_rays,
            targets.rays,
            evidence,
            clip,
        )
        cells = self._cell_terms(reconstruction.depth_probs, targets.cells, evidence, clip)
        loss = _weighted_sum(direct) + _weighted_sum(cells)
        named = _values(direct) | _values(cells)
        for prefix, rendering, weight in (
            ("predicted", reconstruction.predicted, self.loss.predicted_weight),
            ("flow", reconstruction.flow_mean, self.loss.flow_render_weight),
        ):
            if rendering is None:
                continue
            rebuilt = self._terms_of_frames(
                rendering,
                reconstruction.predicted_frames,
                reconstruction.predicted_rays,
                targets.rays,
                evidence,
                clip,
            )
            loss = loss + weight * _weighted_sum(rebuilt)
            named |= {f"{prefix}_{name}": value for name, value in _values(rebuilt).items()}
        if reconstruction.scene_flow is not None:
            flow = self._flow_terms(
                reconstruction.scene_flow, reconstruction.predicted_frames, clip
            )
            loss = loss + _weighted_sum(flow)
            named |= _values(flow)
        return {"loss": loss, **named}

    def of_depth_alone(
        self,
        depth_probs: Float[Tensor, "b t n d hf wf"],
        cells: CellTargets,
        clip: Clip,
    ) -> dict[str, Tensor]:
        """The depth head's cross-entropy, and weighted as `loss`.

        Args:
            depth_probs: Distributions of every image's cells.
            cells: What was measured for them.
            clip: The batch.
        """
        weight, value = self._cell_terms(depth_probs, cells, None, clip)["depth"]
        return {"loss": weight * value, DEPTH_ALONE: value}

    def _evidence(self, clip: Clip, targets: RayTargets) -> RayEvidence | None:
        """What other images say about all rays; None if no loss asks them."""
        if not self.loss.compares_images:
            return None
        options = photometric_options(self.photometric)
        return gather_evidence(clip, targets, options, self.bins, self.loss.sweeps_planes)

    def _terms_of_frames(
        self,
        rendering: Rendering,
        frames: Int[Tensor, "b k"],
        rays: Rays,
        targets: RayTargets,
        evidence: RayEvidence | None,
        clip: Clip,
    ) -> Terms:
        """Terms of a rendering of some frames of each clip; targets and evidence are of all."""
        own = take(targets, joined_index(frames, clip.num_frames))
        if evidence is not None:
            evidence = evidence.take(images_of_frames(clip, frames))
        return self._ray_terms(rendering, rays, own, evidence, clip.batch_size)

    def _ray_terms(
        self,
        rendering: Rendering,
        rays: Rays,
        targets: RayTargets,
        evidence: RayEvidence | None,
        num_clips: int,
    ) -> Terms:
        """Terms of a rendering whose leading axis joins the clips and their frames."""

        def by_clip(values: Tensor) -> Tensor:
            return values.unflatten(0, (num_clips, -1))

        loss = self.loss
        valid = by_clip(rays.valid)
        measured = valid & by_clip(targets.valid_distances)
        distances, measured_m = by_clip(rendering.distances), by_clip(targets.distances)
        ground_m = by_clip(distance_to_ground(rays))
        counts = self._obstacle_weights(measured_m, ground_m)
        colour = colour_l1(by_clip(rendering.colours), by_clip(targets.colours), valid)
        distance = distance_l1(distances, measured_m, measured, counts)
        relative = distance_relative(distances, measured_m, measured, counts)
        terms: Terms = {
            "colour": (loss.colour_weight, colour),
            "distance": (loss.distance_weight, distance),
            "relative_distance": (loss.relative_distance_weight, relative),
        }
        if loss.eikonal_weight > 0:
            value = eikonal(by_clip(rendering.sdf_gradient), valid)
            terms["eikonal"] = (loss.eikonal_weight, value)
        sdf, samples_m = by_clip(rendering.sdf), by_clip(rendering.sample_distances)
        far_m = by_clip(rays.far)
        if loss.log_distance_weight > 0:
            value = distance_log(distances, measured_m, measured)
            terms["log_distance"] = (loss.log_distance_weight, value)
        if loss.termination_weight > 0:
            weights, scale = by_clip(rendering.weights), loss.termination_scale
            value = termination(weights, samples_m, measured_m, far_m, measured, scale, counts)
            terms["termination"] = (loss.termination_weight, value)
        if loss.free_space_weight > 0:
            limit_m = loss.free_space_truncation_m
            value = free_space(sdf, samples_m, measured_m, measured, limit_m)
            terms["free_space"] = (loss.free_space_weight, value)
        if loss.near_surface_weight > 0:
            limit_m = loss.near_surface_truncation_m
            # Where a distance was cut off at the exit of the box there is no surface.
            inside = measured & (measured_m < far_m)
            expected = None
            if loss.near_surface_along == "normal":
                heights_m = by_clip(sample_heights(rays, rendering.sample_distances))
                expected = distances_to_surface(
                    measured_m.unsqueeze(-1) - samples_m,
                    heights_m,
                    is_road(measured_m, ground_m),
                    by_clip(rays.directions),
                    by_clip(rendering.sdf_gradient),
                )
            value = near_surface_sdf(sdf, samples_m, measured_m, inside, limit_m, expected)
            terms["near_surface"] = (loss.near_surface_weight, value)
        if evidence is not None and loss.photometric_weight > 0:
            value = rendered_cost(rendering, evidence, num_clips)
            terms["photometric"] = (loss.photometric_weight, value)
        if evidence is not None and max(loss.sweep_weight, loss.sweep_distance_weight) > 0:
            cost, error = plane_sweep_ray_terms(rendering, rays.far, evidence, num_clips)
            terms["sweep"] = (loss.sweep_weight, cost)
            terms["sweep_distance"] = (loss.sweep_distance_weight, error)
        return terms

    def _cell_terms(
        self,
        depth_probs: Float[Tensor, "b t n d hf wf"],
        targets: CellTargets,
        evidence: RayEvidence | None,
        clip: Clip,
    ) -> Terms:
        """Terms of the lifting's depth distributions."""
        loss, bins, terms = self.loss, self.bins, Terms()
        if loss.depth_weight > 0:
            counts = self._obstacle_weights(targets.depths, targets.ground_depths)
            value = depth_cross_entropy(
                depth_probs, targets.depths, targets.valid, bins.first_m, bins.last_m, counts
            )
            terms["depth"] = (loss.depth_weight, value)
        if evidence is not None and loss.depth_sweep_weight > 0:
            value = plane_sweep_cell_cost(depth_probs, evidence, bins)
            terms["depth_sweep"] = (loss.depth_sweep_weight, value)
        if loss.smoothness_weight > 0:
            value = cell_smoothness(depth_probs, clip_views(clip), bins)
            terms["smoothness"] = (loss.smoothness_weight, value)
        return terms

    def _flow_terms(
        self, scene_flow: Float[Tensor, "m 3 z y x"], frames: Int[Tensor, "b k"], clip: Clip
    ) -> Terms:
        """Terms of the velocities themselves."""
        loss, terms = self.loss, Terms()
        if loss.flow_smoothness_weight > 0:
            value = flow_smoothness(scene_flow, self.grid.voxel_size_m)
            terms["flow_smoothness"] = (loss.flow_smoothness_weight, value)
        if loss.flow_static_weight > 0:
            terms["flow_static"] = (loss.flow_static_weight, flow_speed(scene_flow))
        if loss.flow_label_weight > 0:
            labels, valid = box_velocities(clip, frames, self.grid)
            value = flow_error(scene_flow, labels, valid, clip.batch_size)
            terms["flow_label"] = (loss.flow_label_weight, value)
        return terms

    def _obstacle_weights(self, measured_m: Tensor, ground_m: Tensor) -> Tensor | None:
        """How much each measurement counts; None: all alike."""
        extra = self.loss.obstacle_weight
        return obstacle_weights(measured_m, ground_m, extra) if extra > 0 else None


def photometric_options(config: PhotometricConfig) -> PhotometricOptions:
    """How images are compared."""
    return PhotometricOptions(
        partners=config.sources,
        downscale=config.downscale,
        patch=Patch(config.patch_side, config.patch_step_px),
        depths=config.sweep_depths,
        temperature=config.temperature,
    )


def _values(terms: Terms) -> dict[str, Tensor]:
    return {name: value for name, (_, value) in terms.items()}


def _weighted_sum(terms: Terms) -> Tensor:
    weighted = [weight * value for weight, value in terms.values()]
    return torch.stack(weighted).sum() if weighted else torch.zeros(())
