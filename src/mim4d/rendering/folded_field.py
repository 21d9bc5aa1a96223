"""The field's two decoders folded into a few matrices that work on points in the ego frame.

Enters: the decoders, the grid's axes, the unit of length and whether the road is added. Leaves:
`FoldedField`, the same function with nothing left between two matrix products but activations. What
folds: conditions C_l f are added before layer W_l, so W_l C_l f can be added after it; biases, the
point's and the direction's part, the turn into the grid's axes, the unit of length, the ground and
the softplus' β are linear too. All of it is ordinary differentiable torch on small matrices.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.decoders import SOFTPLUS_BETA, ColourDecoder, ConditionedMlp, SdfDecoder


class FoldedField(NamedTuple):
    """The decoders as z = `by_features` f + `by_inputs` (p, d, 1), and products that add to z.

    Rows of z, in this order: the SDF decoder's hidden layers (times β, so that the activation is
    softplus with β = 1), the signed distance (metres), the geometry features, three rows for the
    SDF's gradient (zero here: they are written later), the colour decoder's layers. A hidden layer
    adds its product to the rows of the next one; geometry and gradient add theirs to the colour's.

    Attributes:
        by_features: Of the looked-up features.
        by_inputs: Of point (ego metres), direction (ego axes) and 1.
        by_geometry: Of geometry features and gradient (ego axes), to the colour rows.
        sdf_layers: Layers 1 and on of the SDF decoder.
        colour_layers: Layers 1 and on of the colour decoder.
    """

    by_features: Float[Tensor, "rows c"]
    by_inputs: Float[Tensor, "rows 7"]
    by_geometry: Float[Tensor, "colour_rows geometry+3"]
    sdf_layers: tuple[Float[Tensor, "_ _"], ...]
    colour_layers: tuple[Float[Tensor, "_ _"], ...]

    @property
    def num_hidden(self) -> int:
        """Hidden rows of the SDF decoder; the signed distance comes next."""
        return sum(layer.shape[1] for layer in self.sdf_layers)

    def gradient_rows(self) -> list[Tensor]:
        """The three rows of `by_features` and `by_inputs` that are left free for the gradient."""
        end = self.by_features.shape[0] - self.by_geometry.shape[0]
        return [matrix[end - 3 : end] for matrix in (self.by_features, self.by_inputs)]

    def tensors(self) -> list[Tensor]:
        """All matrices in one list."""
        return [*self[:3], *self.sdf_layers, *self.colour_layers]

    @staticmethod
    def from_tensors(tensors: list[Tensor], num_sdf_layers: int) -> "FoldedField":
        """Undo `tensors`; `num_sdf_layers` is the length of `sdf_layers`."""
        sdf, colour = tensors[3 : 3 + num_sdf_layers], tensors[3 + num_sdf_layers :]
        return FoldedField(tensors[0], tensors[1], tensors[2], tuple(sdf), tuple(colour))


def fold_field(
    sdf_decoder: SdfDecoder,
    colour_decoder: ColourDecoder,
    grid: VoxelGrid,
    length_unit_m: float,
    adds_height: bool,
) -> FoldedField:
    """Fold both decoders.

    Args:
        sdf_decoder: Works in the grid's axes and in units of length.
        colour_decoder: Likewise.
        grid: Its axes.
        length_unit_m: Metres.
        adds_height: Whether the height above z = 0 of the ego frame is part of the distance.
    """
    weight = sdf_decoder.from_points.weight
    box_from_ego = grid.box_from_ego.to(weight)
    turn = box_from_ego[:3, :3]
    unit_from_ego = box_from_ego[:3] / length_unit_m  # the decoders' point of (p, 1)

    features, inputs, sdf_layers = _fold_mlp(sdf_decoder, unit_from_ego)
    hidden = features.shape[0] - sdf_decoder.linear_layers()[-1].out_features
    scale = weight.new_full((features.shape[0], 1), SOFTPLUS_BETA)
    scale[hidden:] = 1.0
    scale[hidden] = length_unit_m
    features, inputs = features * scale, inputs * scale
    if sdf_layers:
        sdf_layers[-1] = sdf_layers[-1] * (scale[hidden:] / SOFTPLUS_BETA)
    height = torch.zeros_like(inputs)
    height[hidden, 2] = float(adds_height)
    inputs = inputs + height

    by_conditions, colour_inputs, colour_layers = _fold_mlp(colour_decoder, unit_from_ego)
    geometry = sdf_decoder.linear_layers()[-1].out_features - 1
    widths = [3, by_conditions.shape[1] - 6 - geometry, 3, geometry]
    # The last channels may be for colours alone.
    features = torch.nn.functional.pad(features, (0, widths[1] - features.shape[1]))
    by_direction, by_features, by_gradient, by_geometry = by_conditions.split(widths, dim=1)
    gap = weight.new_zeros(3, 7 + features.shape[1])
    points, ones = inputs.split([3, 1], dim=1)
    colour_points, colour_ones = colour_inputs.split([3, 1], dim=1)
    return FoldedField(
        by_features=torch.cat([features, gap[:, 7:], by_features]),
        by_inputs=torch.cat(
            [
                torch.cat([points, torch.zeros_like(points), ones], dim=1),
                gap[:, :7],
                torch.cat([colour_points, by_direction @ turn, colour_ones], dim=1),
            ]
        ),
        by_geometry=torch.cat([by_geometry, by_gradient @ turn], dim=1),
        sdf_layers=tuple(sdf_layers),
        colour_layers=tuple(colour_layers),
    )


def _fold_mlp(
    mlp: ConditionedMlp, unit_from_ego: Float[Tensor, "3 4"]
) -> tuple[Float[Tensor, "rows c"], Float[Tensor, "rows 4"], list[Tensor]]:
    """W_l C_l of all layers, their part of (p, 1), and the layers from the second on."""
    layers = mlp.linear_layers()
    count, hidden = len(layers), layers[0].in_features
    by_features = mlp.from_features.weight.unflatten(0, (count, hidden))
    offsets = mlp.from_features.bias.unflatten(0, (count, hidden, 1))
    by_point = mlp.from_points.weight @ unit_from_ego  # of (p, 1)
    start = torch.nn.functional.pad(mlp.from_points.bias.unsqueeze(1), (3, 0)) + by_point
    # Columns: conditions, point, one. The point enters the first layer only.
    inputs = torch.cat([torch.nn.functional.pad(offsets, (3, 0))[:1] + start, _only_ones(offsets)])
    columns = torch.cat([by_features, inputs], dim=2)
    first = torch.stack([layer.weight for layer in layers[:-1]]) if count > 1 else None
    last = layers[-1].weight @ columns[-1]
    rows = last if first is None else torch.cat([(first @ columns[:-1]).flatten(0, 1), last])
    biases = torch.cat([layer.bias for layer in layers]).unsqueeze(1)
    features, points = rows.split([by_features.shape[2], 4], dim=1)
    points = points + torch.nn.functional.pad(biases, (3, 0))
    return features, points, [layer.weight for layer in layers[1:]]


def _only_ones(offsets: Float[Tensor, "layers hidden 1"]) -> Float[Tensor, "layers-1 hidden 4"]:
    """Offsets of the layers after the first, which see no point."""
    return torch.nn.functional.pad(offsets[1:], (3, 0))
