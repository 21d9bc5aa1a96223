"""The radiance field: a volume and points to signed distance, its gradient, and colour.

Enters: a feature volume `b c z y x`, sample points and ray directions in the ego frame of that
volume, metres. Leaves: `sdf` in metres (positive in free space), its gradient (no unit, not
normalised) and RGB in [0, 1]. The decoders work in the grid's own axes (those of the ego frame,
unless the grid is turned) and in units of `length_unit_m`; nothing else does.
MIM4D, arXiv 2403.08760; NeuS, arXiv 2106.10689.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.geometry.rigid import transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.decoders import ColourDecoder, SdfDecoder
from mim4d.rendering.field_blocks import field_in_blocks, sdf_in_blocks
from mim4d.rendering.folded_field import FoldedField, fold_field
from mim4d.rendering.volume_lookup import lookup


@dataclass(frozen=True)
class FieldSamples:
    """What the field says about each sample of each ray.

    Attributes:
        sdf: Signed distance to the nearest surface, metres, positive in free space.
        sdf_gradient: Its derivative along the ego axes; of length one where the SDF is a distance.
        colours: RGB in [0, 1].
    """

    sdf: Float[Tensor, "b r s"]
    sdf_gradient: Float[Tensor, "b r s 3"]
    colours: Float[Tensor, "b r s 3"]


class SdfField(nn.Module):
    """Trilinear features, an SDF decoder and a colour decoder.

    Args:
        grid: Where the volume lies. It must be the grid the volume was made on.
        channels: Channels of the volume.
        colour_only: Of these so many at the end are for colours alone; no shape depends on them.
        hidden: Width of both decoders.
        sdf_layers: Linear layers of the SDF decoder.
        colour_layers: Linear layers of the colour decoder.
        geometry_features: Numbers handed from the SDF decoder to the colour decoder.
        length_unit_m: The decoders see points divided by this and their signed distance is
            multiplied by it. The released models use the largest absolute bound of their grid.
        sdf_start: `network`: the decoder's output is the SDF. `ground`: the height above z = 0 of
            the ego frame (the road) is added, and the decoder's distance starts near zero.
        sharpness_start_per_m: Initial steepness of the surface, 1/metre (released: 20.09 / 51.2).
    """

    def __init__(
        self,
        grid: VoxelGrid,
        channels: int,
        *,
        colour_only: int = 0,
        hidden: int = 16,
        sdf_layers: int = 6,
        colour_layers: int = 4,
        geometry_features: int = 16,
        length_unit_m: float = 51.2,
        sdf_start: Literal["network", "ground"] = "ground",
        sharpness_start_per_m: float = 0.39,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.length_unit_m = length_unit_m
        self.sdf_start = sdf_start
        self.shape_channels = channels - colour_only
        self.sdf_decoder = SdfDecoder(
            self.shape_channels, hidden, 1 + geometry_features, sdf_layers
        )
        conditions = 3 + channels + 3 + geometry_features
        self.colour_decoder = ColourDecoder(conditions, hidden, 3, colour_layers)
        # Sharpness is exp(10 v), as released: the factor lets v learn at the rate of the weights.
        self.sharpness_exponent = nn.Parameter(torch.tensor(math.log(sharpness_start_per_m) / 10))
        if sdf_start == "ground":
            last = self.sdf_decoder.linear_layers()[-1]
            with torch.no_grad():  # not zero: every layer then learns from the first step on
                last.weight[0] *= 0.01
                last.bias[0] *= 0.01

    @property
    def sharpness(self) -> Float[Tensor, ""]:
        """Slope of the logistic function that turns the SDF into opacity, 1/metre (learned)."""
        return torch.exp(10 * self.sharpness_exponent).clamp(1e-6, 1e6)

    def sdf(
        self,
        volume: Float[Tensor, "b c z y x"],
        points_ego: Float[Tensor, "b r s 3"],
        chunk_rays: int | None = None,
    ) -> Float[Tensor, "b r s"]:
        """Signed distance only, metres; for choosing samples."""
        with torch.autocast(device_type=volume.device.type, enabled=False):
            volume = _at_least_float32(volume)
            if not torch.is_grad_enabled():
                return sdf_in_blocks(self.folded(), volume, points_ego, self.grid, chunk_rays)
            points = rearrange(points_ego, "b r s k -> b (r s) k")
            shape = volume[:, : self.shape_channels]
            features = lookup(shape, points, self.grid).flatten(0, 1)
            flat = points.flatten(0, 1)
            outputs = self.sdf_decoder(self._scaled(flat), features)
            sdf = outputs[:, 0] * self.length_unit_m
            if self.sdf_start == "ground":
                sdf = sdf + flat[:, 2]
        return sdf.unflatten(0, points_ego.shape[:3])

    def forward(
        self,
        volume: Float[Tensor, "b c z y x"],
        points_ego: Float[Tensor, "b r s 3"],
        directions: Float[Tensor, "b r 3"],
        chunk_rays: int | None = None,
    ) -> FieldSamples:
        """Everything the renderer needs at each sample.

        Args:
            volume: Features on `grid`; half precision is converted, coordinates never are.
            points_ego: Sample positions in the ego frame of the volume, metres.
            directions: Unit direction of each ray.
            chunk_rays: Ask about at most so many rays at once, over all volumes, and compute again
                for the gradient what lies between. None keeps some 230 numbers a sample.
        """
        with torch.autocast(device_type=volume.device.type, enabled=False):
            sdf, gradient, colours = field_in_blocks(
                self.folded(),
                _at_least_float32(volume),
                points_ego,
                directions,
                self.grid,
                chunk_rays,
            )
        return FieldSamples(sdf, gradient, colours)

    def folded(self) -> FoldedField:
        """Both decoders as a few matrices that work on points in the ego frame."""
        return fold_field(
            self.sdf_decoder,
            self.colour_decoder,
            self.grid,
            self.length_unit_m,
            self.sdf_start == "ground",
        )

    def _scaled(self, points_ego: Float[Tensor, "q 3"]) -> Float[Tensor, "q 3"]:
        """Points as the decoders see them."""
        if not self.grid.is_in_ego_axes:
            points_ego = transform_points(self.grid.box_from_ego.to(points_ego), points_ego)
        return points_ego / self.length_unit_m


def _at_least_float32(volume: Tensor) -> Tensor:
    return volume if volume.dtype == torch.float64 else volume.float()
