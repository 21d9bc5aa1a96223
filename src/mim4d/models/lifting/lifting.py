"""What the liftings have in common: their geometry, their signature, and the sum into voxels.

A lifting takes image features and depth distributions of all cameras of a frame to one volume in
that frame's ego axes, metres. `lookup.py` asks for every voxel what the cameras see there;
`splat.py` puts every point of the cameras' frustums into the voxel that contains it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.depth_head import DepthBins

Normalise = Literal["sum", "mean"]


@dataclass(frozen=True)
class LiftGeometry:
    """Where cameras, depth bins and voxels of `m` frames lie.

    Attributes:
        grid: The voxels, in every frame's own ego axes.
        bins: The depth bins of the distributions.
        ego_from_camera: Pose of each camera at its exposure, in its frame's ego axes.
        intrinsics: Of the padded image, pixels; the first pixel's corner is (0, 0).
        image_sizes: Rows and columns that are picture; padding lies to the right and below. An
            absent image has none.
        padded_hw: Rows and columns of the padded image, which the feature maps cover.
    """

    grid: VoxelGrid
    bins: DepthBins
    ego_from_camera: Float[Tensor, "m n 4 4"]
    intrinsics: Float[Tensor, "m n 3 3"]
    image_sizes: Int[Tensor, "m n 2"]
    padded_hw: tuple[int, int]


LiftLight = Callable[[Float[Tensor, "m n d hf wf"], LiftGeometry], Float[Tensor, "m 3 z y x"]]
"""The signature of `light.lift_light`."""


@runtime_checkable
class Lifting(Protocol):
    """The signature of a lifting. Levels of features are lifted one by one and added up."""

    def __call__(
        self,
        features: list[Float[Tensor, "m n c _hf _wf"]],
        depth_probs: list[Float[Tensor, "m n d _hf _wf"]],
        geometry: LiftGeometry,
        normalise: Normalise = "sum",
    ) -> Float[Tensor, "m c z y x"]:
        """Lift.

        Args:
            features: Image features of `n` cameras in each of `m` frames, by level.
            depth_probs: Probability of each depth bin at each feature cell, by level.
            geometry: Of the same frames and cameras.
            normalise: `sum`, or `mean`, whose meaning each lifting states.

        Returns:
            Voxel features, at least float32; zero where nothing is seen.
        """
        ...


def sum_into_voxels(
    features: Float[Tensor, "m n c hf wf"],
    cell: Int[Tensor, " k"],
    weight: Float[Tensor, " k"],
    num_terms: Int[Tensor, "m v"],
) -> Float[Tensor, "m c v"]:
    """Give every voxel a weighted sum of feature cells, without a copy of the cells.

    Args:
        features: Feature maps.
        cell: Which cell each term reads, counted through `m n hf wf`. Terms of one voxel stand
            together, in the order of the voxels.
        weight: Factor of each term.
        num_terms: How many terms each voxel has.
    """
    pixels = full_precision(features).permute(0, 1, 3, 4, 2).reshape(-1, features.shape[2])
    flat = num_terms.flatten()
    values = F.embedding_bag(
        cell.int(),  # 32-bit indices: the backward pass sorts them
        pixels,
        offsets=(flat.cumsum(dim=0) - flat).int(),
        mode="sum",
        per_sample_weights=weight,
    )
    return values.unflatten(0, num_terms.shape).transpose(1, 2)


def full_precision(values: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The values in float32, or in float64 if they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
