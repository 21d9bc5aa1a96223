"""What the depth distributions say of the light between camera and voxel.

A voxel holds feature times probability where a surface is likely, and nothing both in the free
space before it and in the hidden space behind it. Three more channels tell these apart: how much
light ends at the voxel's depth, how much passes it, and how much was stopped before. The last two
change from 0 to 1 across a surface, so a trilinear lookup between voxels finds the surface even
where a voxel is wider than a depth bin and the probability itself falls between two centres.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mim4d.models.lifting.lifting import LiftGeometry, full_precision
from mim4d.models.lifting.lookup import (
    MapsSpan,
    VoxelLookup,
    corners_of,
    interpolate_depth,
    look_up_voxels,
    pairs_of,
    sum_of_rows,
)

LIGHT_CHANNELS = 3
"""Ends here, passes, ended before: in this order."""


def lift_light(
    depth_probs: Float[Tensor, "m n d hf wf"],
    geometry: LiftGeometry,
    maps_span: MapsSpan = "faces",
) -> Float[Tensor, "m 3 z y x"]:
    """The light at every voxel, averaged over the cameras that see it; zero where none does.

    Args:
        depth_probs: Probability of each depth bin at each feature cell.
        geometry: Of the same frames and cameras.
        maps_span: See `MapsSpan`.
    """
    lookup = look_up_voxels(geometry, maps_span)
    return light_at(depth_probs, lookup).unflatten(2, geometry.grid.shape_zyx)


def light_at(
    depth_probs: Float[Tensor, "m n d hf wf"], lookup: VoxelLookup
) -> Float[Tensor, "m 3 v"]:
    """The same for any points; in the order of the lookup's.

    Args:
        depth_probs: Probability of each depth bin at each feature cell.
        lookup: From `project_voxels`, for the same frames, cameras and depth bins.
    """
    m, n, v = lookup.visible.shape
    pairs, probs = pairs_of(lookup), full_precision(depth_probs)
    corners = corners_of(pairs, depth_probs, lookup)
    # Up to a bin's centre half of its own light has ended.
    ended = probs.cumsum(dim=2) - probs / 2
    here, before = (interpolate_depth(values, pairs.image, corners) for values in (probs, ended))
    known = sum_of_rows(corners.weight) * sum_of_rows(corners.bin_weight)
    light = torch.stack([here, known - before, before], dim=-1)  # k 3
    if pairs.counts is not None:
        light = light * pairs.counts.unsqueeze(-1)
    visits = lookup.visible.sum(dim=1)
    terms = (visits if pairs.counts is None else torch.full_like(visits, n)).flatten()
    summed = F.embedding_bag(
        torch.arange(len(light), device=light.device),
        light,
        offsets=terms.cumsum(dim=0) - terms,
        mode="sum",
    )
    return summed.view(m, v, LIGHT_CHANNELS).transpose(1, 2) / visits.clamp(min=1).unsqueeze(1)
