"""Lifting by lookup: every voxel asks the cameras for features and depth probabilities.

Every voxel centre is projected into every camera of its frame; its value is the sum over the
cameras of the image feature there (bilinear) times the probability that the pixel's depth is the
voxel's (trilinear in u, v and depth). The same four cells serve both tables, which is why this is
no look-up in one volume, as the renderer's and the warp's are. Points are in the frame's ego axes,
metres; `unit` coordinates span the padded image and the depth bins by [-1, 1] with
`align_corners=False`.
Backward projection of MIM4D, arXiv 2403.08760, after UVTR, arXiv 2206.00630.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.geometry.rigid import invert_rigid
from mim4d.geometry.trilinear import neighbours
from mim4d.models.lifting.lifting import LiftGeometry, Normalise, full_precision, sum_into_voxels
from mim4d.tensors.counting import can_count

MapsSpan = Literal["faces", "centres"]
"""What the padded image's borders and the ends of the depth range are to a map of cells and bins:
the outer faces of the outermost ones, or (as released checkpoints were trained) their centres."""


@dataclass(frozen=True)
class VoxelLookup:
    """Where each voxel lies in each camera's image.

    Attributes:
        uvd_unit: `unit` coordinates of column, row and depth bin; finite everywhere, meaningful
            where `visible`.
        visible: Whether the camera sees the voxel: in front of it, within the depth bins, and on
            picture rather than padding.
        maps_span: What −1 and 1 are to a map.
    """

    uvd_unit: Float[Tensor, "m n v 3"]
    visible: Bool[Tensor, "m n v"]
    maps_span: MapsSpan = "faces"


def lift_by_lookup(
    features: list[Float[Tensor, "m n c _hf _wf"]],
    depth_probs: list[Float[Tensor, "m n d _hf _wf"]],
    geometry: LiftGeometry,
    normalise: Normalise = "sum",
    maps_span: MapsSpan = "faces",
) -> Float[Tensor, "m c z y x"]:
    """Look every voxel centre up in the cameras that see it; see `Lifting`.

    Args:
        features: Image features, by level.
        depth_probs: Probability of each depth bin at each feature cell, by level.
        geometry: Of the same frames and cameras.
        normalise: `sum` over cameras, or `mean`: divided by the number of cameras that see a voxel.
        maps_span: See `MapsSpan`.
    """
    lookup = look_up_voxels(geometry, maps_span)
    volumes = [
        lift(level, probs, lookup, normalise)
        for level, probs in zip(features, depth_probs, strict=True)
    ]
    return sum(volumes[1:], volumes[0]).unflatten(2, geometry.grid.shape_zyx)


def look_up_voxels(geometry: LiftGeometry, maps_span: MapsSpan = "faces") -> VoxelLookup:
    """Where each voxel of the grid lies in each camera's image."""
    bins = geometry.bins
    return project_voxels(
        geometry.grid.centres_ego.reshape(-1, 3).to(geometry.intrinsics.device),
        invert_rigid(geometry.ego_from_camera),
        geometry.intrinsics,
        geometry.image_sizes,
        geometry.padded_hw,
        bins.first_m,
        bins.last_m,
        bins.num,
        maps_span,
    )


@torch.no_grad()
def project_voxels(
    points_ego: Float[Tensor, "v 3"],
    camera_from_ego: Float[Tensor, "m n 4 4"],
    intrinsics: Float[Tensor, "m n 3 3"],
    image_sizes: Int[Tensor, "m n 2"],
    padded_hw: tuple[int, int],
    first_bin_m: float,
    last_bin_m: float,
    num_bins: int,
    maps_span: MapsSpan = "faces",
) -> VoxelLookup:
    """Project voxel centres into the images.

    Args:
        points_ego: Voxel centres in the frame's ego axes, metres; shared by all frames.
        camera_from_ego: From the frame's ego axes to each camera, at the camera's exposure.
        intrinsics: Of the padded image, pixels; the first pixel's corner is (0, 0).
        image_sizes: Rows and columns that are picture; padding lies to the right and below.
        padded_hw: Rows and columns of the padded image, which the feature maps cover.
        first_bin_m: Depth (z in the camera) of the first bin's centre, metres.
        last_bin_m: Depth of the last bin's centre, metres.
        num_bins: Number of equally spaced depth bins, at least two.
        maps_span: See `MapsSpan`.

    Returns:
        The lookup; voxels deeper or nearer than the end bins' faces (or centres, if these are what
        the depth range spans) are not visible.
    """
    camera_from_ego, intrinsics = camera_from_ego.float(), intrinsics.float()
    # Products of coordinates are written out instead of `@`: autocast and TF32 cannot round them.
    rows = (intrinsics.unsqueeze(-1) * camera_from_ego[..., None, :3, :]).sum(dim=-2)  # m n 3 4
    scaled_u, scaled_v, depth = (_affine(rows[..., i, :], points_ego.float()) for i in range(3))
    inverse_depth = 1 / depth.clamp(min=1e-5)
    u, v = scaled_u * inverse_depth, scaled_v * inverse_depth
    half_bin_m = (last_bin_m - first_bin_m) / (num_bins - 1) / 2
    beyond_m = half_bin_m if maps_span == "faces" else 0.0
    near_m, far_m = max(first_bin_m - beyond_m, 1e-5), last_bin_m + beyond_m

    height, width = (size.unsqueeze(-1) for size in image_sizes.unbind(-1))
    visible = (depth > near_m) & (depth < far_m)
    visible &= (u >= 0) & (u < width) & (v >= 0) & (v < height)

    num_spanned = num_bins if maps_span == "faces" else num_bins - 1
    centre_m, half_span_m = (first_bin_m + last_bin_m) / 2, num_spanned * half_bin_m
    unit_u, unit_v = u * (2 / padded_hw[1]) - 1, v * (2 / padded_hw[0]) - 1
    unit = [unit_u, unit_v, (depth - centre_m) / half_span_m]
    return VoxelLookup(torch.stack(unit, dim=-1), visible, maps_span)


def _affine(row: Float[Tensor, "m n 4"], points: Float[Tensor, "v 3"]) -> Float[Tensor, "m n v"]:
    """One row of a 3×4 matrix times homogeneous points."""
    x, y, z, one = row.unsqueeze(-1).unbind(-2)
    result = torch.addcmul(one, x, points[:, 0])
    return result.addcmul_(y, points[:, 1]).addcmul_(z, points[:, 2])


def lift(
    features: Float[Tensor, "m n c hf wf"],
    depth_probs: Float[Tensor, "m n d hf wf"],
    lookup: VoxelLookup,
    normalise: Normalise = "sum",
) -> Float[Tensor, "m c v"]:
    """Fill voxels from the cameras that see them; zero where none does.

    On a CPU only pairs of camera and voxel that see each other are worked on (about one in n);
    elsewhere counting them would wait for the device, and all pairs are, the others with weight 0.
    They are sorted by voxel, so that one `embedding_bag` sums the corners of all cameras without a
    temporary. Beyond the outermost cell centres of a map, values fade to zero.

    Args:
        features: Image features of `n` cameras in each of `m` frames.
        depth_probs: Probability of each depth bin at each feature cell.
        lookup: From `project_voxels`, for the same frames, cameras and depth bins.
        normalise: `sum` over cameras, or `mean`: divided by the number of cameras that see it.

    Returns:
        Voxel features, at least float32, in the order of the lookup's points.
    """
    n, hf, wf = features.shape[1], *features.shape[-2:]
    pairs = pairs_of(lookup)
    corners = corners_of(pairs, depth_probs, lookup)
    if pairs.counts is not None:
        corners = corners._replace(weight=corners.weight * pairs.counts)
    prob = interpolate_depth(full_precision(depth_probs), pairs.image, corners)
    visits = lookup.visible.sum(dim=1)
    volume = sum_into_voxels(
        features,
        (pairs.image * (hf * wf) + corners.cell).T.flatten(),
        (corners.weight * prob).T.flatten(),
        4 * (visits if pairs.counts is None else torch.full_like(visits, n)),
    )
    return volume / visits.clamp(min=1).unsqueeze(1) if normalise == "mean" else volume


class VoxelPairs(NamedTuple):
    """Pairs of a voxel and a camera, sorted by frame and voxel.

    Attributes:
        image: The camera's image, counted through `m n`.
        uvd_unit: Where it sees the voxel.
        counts: 1 where it does, else 0; None if it does everywhere.
    """

    image: Int[Tensor, " k"]
    uvd_unit: Float[Tensor, "3 k"]
    counts: Float[Tensor, " k"] | None


def pairs_of(lookup: VoxelLookup) -> VoxelPairs:
    """The pairs of a lookup: all that see each other, or all there are where nothing is counted."""
    visible, unit = lookup.visible.transpose(1, 2), lookup.uvd_unit.float()  # m v n, m n v 3
    m, v, n = visible.shape
    if can_count(visible):
        frame, voxel, camera = visible.nonzero(as_tuple=True)
        return VoxelPairs((frame * n + camera).int(), unit[frame, camera, voxel].T, None)
    images = torch.arange(m * n, device=visible.device, dtype=torch.int32)
    image = images.view(m, 1, n).expand(m, v, n).flatten()
    return VoxelPairs(image, rearrange(unit, "m n v k -> k (m v n)"), visible.flatten().float())


class Corners(NamedTuple):
    """The cells and bins between whose centres each pair's position lies.

    The pairs come last, so that elementwise work runs along the many of them.

    Attributes:
        weight: Of four cells, bilinear; fades to zero beyond the outermost centres.
        cell: These cells, counted through `hf wf`.
        bin_weight: Of two bins.
        bin: These bins.
    """

    weight: Float[Tensor, "4 k"]
    cell: Int[Tensor, "4 k"]
    bin_weight: Float[Tensor, "2 k"]
    bin: Int[Tensor, "2 k"]


def corners_of(
    pairs: VoxelPairs, depth_probs: Float[Tensor, "m n d hf wf"], lookup: VoxelLookup
) -> Corners:
    """Where the pairs of a lookup lie in maps of the size of these distributions."""
    d, hf, wf = depth_probs.shape[2:]
    near = neighbours(centred(pairs.uvd_unit, (wf, hf, d), lookup.maps_span), (wf, hf, d))
    (weight_u, weight_v, weight_d), (cell_u, cell_v, bin_d) = near.weight, near.index
    return Corners(
        (weight_v.unsqueeze(1) * weight_u).flatten(0, 1),
        (cell_v.unsqueeze(1) * wf + cell_u).flatten(0, 1),
        weight_d,
        bin_d,
    )


def interpolate_depth(
    depth_probs: Float[Tensor, "m n d hf wf"],
    image: Int[Tensor, " k"],
    corners: Corners,
) -> Float[Tensor, " k"]:
    """Trilinear lookup of the distributions at `k` positions: two bins times four corners.

    Args:
        depth_probs: The distributions.
        image: Image of each position, counted through `m n`.
        corners: Where it lies in it.
    """
    d, cells = depth_probs.shape[2], depth_probs.shape[3] * depth_probs.shape[4]
    plane = (image * d + corners.bin) * cells  # 2 k
    index = plane.unsqueeze(1) + corners.cell  # 2 4 k
    looked_up = depth_probs.flatten().index_select(0, index.flatten()).view(index.shape)
    terms = looked_up * (corners.bin_weight.unsqueeze(1) * corners.weight)
    return sum_of_rows(terms.flatten(0, 1))


def sum_of_rows(rows: Float[Tensor, "r k"]) -> Float[Tensor, " k"]:
    """Sum of a few long rows, one after the other.

    torch's own sum adds the last of many columns in another order, so that a clip's volume would
    depend, in its last bits, on the batch it is in.
    """
    first, *others = rows.unbind()
    return sum(others, first)


def centred(
    unit: Float[Tensor, "3 k"], counts: tuple[int, int, int], maps_span: MapsSpan
) -> Float[Tensor, "3 k"]:
    """`unit` coordinates in cells and bins, with their centres at whole numbers."""
    if maps_span == "faces":
        return (unit + 1) * unit.new_tensor([count / 2 for count in counts]).view(3, 1) - 0.5
    return (unit + 1) * unit.new_tensor([(count - 1) / 2 for count in counts]).view(3, 1)
