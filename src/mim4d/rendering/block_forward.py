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


class SdfLayer(NamedTuple):
    """Rows of one hidden layer of the SDF decoder and of the layer after it."""

    weight: Float[Tensor, "next hidden"]
    z: Float[Tensor, "hidden n"]
    slopes: Float[Tensor, "hidden n"]
    adjoints: Float[Tensor, "hidden n"]
    next_z: Float[Tensor, "next n"]


class ColourLayer(NamedTuple):
    """Rows of one hidden layer of the colour decoder and of the layer after it."""

    weight: Float[Tensor, "next hidden"]
    z: Float[Tensor, "hidden n"]
    next_z: Float[Tensor, "next n"]


class Activations:
    """Memory for one block, and its rows by layer; `decode` fills it, again and again if asked.

    The backward needs all of it. `z` and `slopes` hold nearly all of the work: `complete` makes the
    rest of them.

    Attributes:
        features: Looked up, `n c`.
        by_features: ∂sdf/∂features, `n c`.
        z: All rows of `FoldedField` after their activation: softplus, none, ReLU, and sigmoid.
        slopes: Softplus' derivative in the SDF decoder's hidden rows.
        adjoints: ∂sdf/∂z of the SDF decoder's hidden rows, and 1 for the signed distance's own.
    """

    def __init__(
        self, folded: FoldedField, z: Float[Tensor, "rows n"], slopes: Float[Tensor, "hidden n"]
    ) -> None:
        hidden, colour = folded.num_hidden, z.shape[0] - folded.by_geometry.shape[0]
        width = folded.by_geometry.shape[1]
        self.folded, self.z, self.slopes = folded, z, slopes
        self.adjoints = z.new_empty(hidden + 1, z.shape[1])
        self.adjoints[hidden] = 1.0
        self.features = self.by_features = z.new_empty(0)
        self.sdf, self.gradient, self.colours = z[hidden], z[colour - 3 : colour], z[-3:]
        self.geometry, self.colour = z[colour - width : colour], z[colour:]
        self.sdf_layers = sdf_views(folded, z, slopes, self.adjoints)
        self.colour_layers = colour_views(folded, self.colour)

    @staticmethod
    def empty(folded: FoldedField, samples: int) -> "Activations":
        """Memory for so many samples."""
        z = folded.by_features.new_empty(folded.by_features.shape[0], samples)
        return Activations(folded, z, z.new_empty(folded.num_hidden, samples))


def sdf_views(
    folded: FoldedField,
    z: Float[Tensor, "rows n"],
    slopes: Float[Tensor, "hidden n"],
    adjoints: Float[Tensor, "_ n"],
) -> list[SdfLayer]:
    """Cut rows by layer of the SDF decoder."""
    views, row = [], 0
    for weight in folded.sdf_layers:
        end = row + weight.shape[1]
        mine, after = slice(row, end), slice(end, end + weight.shape[0])
        views.append(SdfLayer(weight, z[mine], slopes[mine], adjoints[mine], z[after]))
        row = end
    return views


def colour_views(folded: FoldedField, z: Float[Tensor, "rows n"]) -> list[ColourLayer]:
    """Cut the colour rows by layer."""
    views, row = [], 0
    for weight in folded.colour_layers:
        end = row + weight.shape[1]
        views.append(ColourLayer(weight, z[row:end], z[end : end + weight.shape[0]]))
        row = end
    return views


def decode(block: Block, done: Activations) -> None:
    """The whole field, into `done`."""
    folded, z = done.folded, done.z
    sums = _weighted_rows(block.table, block.corners, block.weights)
    done.features = sums[:, 0].contiguous()
    torch.mm(folded.by_features, done.features.T, out=z)
    z.addmm_(folded.by_inputs, block.inputs)
    activate_sdf(done.sdf_layers)
    _sweep_back(done)
    count = done.adjoints.shape[0]
    torch.mm(folded.by_inputs[:count, :3].T, done.adjoints, out=done.gradient)
    through_features = (sums[:, 1:] * done.by_features.unsqueeze(1)).sum(dim=-1)  # n 3, per voxel
    done.gradient.addmm_(block.voxels_per_metre.T, through_features.T)
    done.colour.addmm_(folded.by_geometry, done.geometry)
    for layer in done.colour_layers:
        layer.next_z.addmm_(layer.weight, layer.z.relu_())
    done.colours.sigmoid_()


def complete(block: Block, done: Activations) -> None:
    """What `decode` makes besides `z` and `slopes`, from them."""
    done.features = weighted_rows(block.table, block.corners, block.weights[0])
    _sweep_back(done)


def activate_sdf(layers: list[SdfLayer]) -> None:
    """Activate the hidden rows and add them to the next, in place.

    With s = σ(z): log(1 + exp(z)) = max(z, 0) − log(max(s, 1 − s)).
    """
    for layer in layers:
        z, slopes = layer.z, layer.slopes
        torch.sigmoid(z.clamp_(min=_LOWEST), out=slopes)
        larger = 1 - slopes
        torch.maximum(larger, slopes, out=larger)
        z.relu_().sub_(larger.log_())
        layer.next_z.addmm_(layer.weight, z)


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


def _sweep_back(done: Activations) -> None:
    """Reverse sweep from the signed distance to all hidden rows and to the features."""
    after = None
    for layer in done.sdf_layers[::-1]:
        if after is None:
            torch.mul(layer.slopes, layer.weight[0].unsqueeze(1), out=layer.adjoints)
        else:
            torch.mm(layer.weight.T, after, out=layer.adjoints)
            layer.adjoints.mul_(layer.slopes)
        after = layer.adjoints
    done.by_features = done.adjoints.T @ done.folded.by_features[: done.adjoints.shape[0]]
