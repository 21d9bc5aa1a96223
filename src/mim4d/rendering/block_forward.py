"""The field at one block of samples: look-up, signed distance, its gradient, colour.

All tensors of activations are `rows n`: one row per hidden number, samples along the row. A layer
is then a slice of rows without a copy, and every elementwise pass runs along contiguous memory.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.rendering.folded_field import FoldedField

# Below, the sigmoid is a denormal number, which is slow on a CPU.
_LOWEST = -30.0


class Block(NamedTuple):
    """What the field is a function of.

    Attributes:
        table: Voxels as rows.
        voxels_per_metre: Derivative of grid coordinates (rows) along the ego axes (columns).
        corners: Rows of the eight voxels around each sample.
        weights: Their weights, and (with slopes) the weights' derivatives along the grid's axes.
        inputs: Point (ego metres), direction (ego axes) and 1.
    """

    table: Float[Tensor, "v c"]
    voxels_per_metre: Float[Tensor, "3 3"]
    corners: Int[Tensor, "8 n"]
    weights: Float[Tensor, "k 8 n"]
    inputs: Float[Tensor, "7 n"]


class Activations(NamedTuple):
    """What the backward needs of the forward.

    Attributes:
        features: Looked up.
        z: All rows of `FoldedField` after their activation: softplus, none, ReLU, and sigmoid.
        slopes: Softplus' derivative in the SDF decoder's hidden rows.
        adjoints: ∂sdf/∂z of the SDF decoder's hidden rows, and 1 for the signed distance's own.
        by_features: ∂sdf/∂features.
        folded: The field, for the places of rows.
    """

    features: Float[Tensor, "n c"]
    z: Float[Tensor, "rows n"]
    slopes: Float[Tensor, "hidden n"]
    adjoints: Float[Tensor, "hidden+1 n"]
    by_features: Float[Tensor, "n c"]
    folded: FoldedField

    @property
    def sdf(self) -> Float[Tensor, " n"]:
        """Metres."""
        return self.z[self.slopes.shape[0]]

    @property
    def gradient(self) -> Float[Tensor, "3 n"]:
        """Along the ego axes."""
        end = self.z.shape[0] - self.folded.by_geometry.shape[0]
        return self.z[end - 3 : end]

    @property
    def colours(self) -> Float[Tensor, "3 n"]:
        """RGB in [0, 1]."""
        return self.z[-3:]


def decode(folded: FoldedField, block: Block) -> Activations:
    """The whole field."""
    sums = _weighted_rows(block.table, block.corners, block.weights)
    features = sums[:, 0].contiguous()
    z = torch.mm(folded.by_features, features.T)
    z.addmm_(folded.by_inputs, block.inputs)
    slopes = _sdf_layers(folded, z)
    adjoints = _sweep_back(folded, slopes)
    hidden = slopes.shape[0]
    by_features = adjoints.T @ folded.by_features[: hidden + 1]
    done = Activations(features, z, slopes, adjoints, by_features, folded)
    torch.mm(folded.by_inputs[: hidden + 1, :3].T, adjoints, out=done.gradient)
    through_features = (sums[:, 1:] * by_features.unsqueeze(1)).sum(dim=-1)  # n 3, per voxel
    done.gradient.addmm_(block.voxels_per_metre.T, through_features.T)
    _colour_layers(folded, z)
    return done


def sdf_of_block(folded: FoldedField, block: Block) -> Float[Tensor, " n"]:
    """Signed distance only."""
    features = weighted_rows(block.table, block.corners, block.weights[0])
    rows = sum(layer.shape[1] for layer in folded.sdf_layers) + 1
    z = torch.mm(folded.by_features[:rows], features.T)
    z.addmm_(folded.by_inputs[:rows], block.inputs)
    _sdf_layers(folded, z)
    return z[-1]


def weighted_rows(
    table: Float[Tensor, "v c"], corners: Int[Tensor, "8 n"], weights: Float[Tensor, "8 n"]
) -> Float[Tensor, "n c"]:
    """Weighted sums of eight rows."""
    return _weighted_rows(table, corners, weights.unsqueeze(0)).squeeze(1)


def _weighted_rows(
    table: Float[Tensor, "v c"], corners: Int[Tensor, "8 n"], weights: Float[Tensor, "k 8 n"]
) -> Float[Tensor, "n k c"]:
    """The same for several sets of weights, one after the other while the rows are in the cache."""
    sets = weights.shape[0]
    bags = corners.T.contiguous().unsqueeze(1).expand(-1, sets, -1).reshape(-1, 8)
    each = weights.flatten(0, 1).T.contiguous().view(-1, 8)
    sums = F.embedding_bag(bags, table, mode="sum", per_sample_weights=each)
    return sums.unflatten(0, (-1, sets))


def _sdf_layers(folded: FoldedField, z: Float[Tensor, "rows n"]) -> Float[Tensor, "hidden n"]:
    """Activate the hidden rows and add them to the next, in place; returns softplus' slopes.

    With s = σ(z): log(1 + exp(z)) = max(z, 0) − log(max(s, 1 − s)).
    """
    hidden = sum(layer.shape[1] for layer in folded.sdf_layers)
    slopes = z.new_empty(hidden, z.shape[1])
    row = 0
    for layer in folded.sdf_layers:
        end = row + layer.shape[1]
        x, slope = z[row:end], slopes[row:end]
        torch.sigmoid(x.clamp_(min=_LOWEST), out=slope)
        larger = (1 - slope).clamp_(min=0.5)  # where it is below, the slope itself is larger
        torch.maximum(larger, slope, out=larger)
        x.relu_().sub_(larger.log_())
        following = z[end : end + layer.shape[0]]
        following.addmm_(layer[: following.shape[0]], x)
        row = end
    return slopes


def _sweep_back(
    folded: FoldedField, slopes: Float[Tensor, "hidden n"]
) -> Float[Tensor, "hidden+1 n"]:
    """Reverse sweep from the signed distance to all hidden rows."""
    hidden, samples = slopes.shape
    adjoints = slopes.new_empty(hidden + 1, samples)
    adjoints[hidden] = 1.0
    end = hidden
    for i in range(len(folded.sdf_layers) - 1, -1, -1):
        layer = folded.sdf_layers[i]
        row = end - layer.shape[1]
        if i == len(folded.sdf_layers) - 1:
            torch.mul(slopes[row:end], layer[0].unsqueeze(1), out=adjoints[row:end])
        else:
            following = adjoints[end : end + layer.shape[0]]
            torch.mm(layer.T, following, out=adjoints[row:end])
            adjoints[row:end] *= slopes[row:end]
        end = row
    return adjoints


def _colour_layers(folded: FoldedField, z: Float[Tensor, "rows n"]) -> None:
    """Add geometry and gradient, activate, and add each layer to the next, in place."""
    rows, width = folded.by_geometry.shape
    colour = z[-rows:]
    colour.addmm_(folded.by_geometry, z[-rows - width : -rows])
    row = 0
    for layer in folded.colour_layers:
        end = row + layer.shape[1]
        colour[end : end + layer.shape[0]].addmm_(layer, colour[row:end].relu_())
        row = end
    colour[row:].sigmoid_()
