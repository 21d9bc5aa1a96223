"""Gradients of one block of samples, added to those of the blocks before.

The forward holds a reverse sweep of its own (the SDF's gradient), so the backward goes through that
sweep forwards, then through the SDF decoder backwards. Per hidden row of the SDF decoder, with
z ↦ softplus(z), slope s and adjoint a = (Wᵀ a_next) s:
    a gets D  ⇒  Wᵀ a_next gets D s,  and z gets D (Wᵀ a_next) s (1 − s) = a (D − D s).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.rendering.block_forward import (
    Activations,
    Block,
    colour_views,
    sdf_views,
    weighted_rows,
)
from mim4d.rendering.folded_field import FoldedField

# Samples whose eight rows are made and added at once: larger, and they leave the cache between.
_ADDED_AT_ONCE = 1024


def no_gradients(folded: FoldedField) -> FoldedField:
    """Sums over blocks, in the layout of the field, before the first."""
    zeros = [torch.zeros_like(matrix) for matrix in folded.tensors()]
    return FoldedField.from_tensors(zeros, len(folded.sdf_layers))


class BlockGradients:
    """Memory for the gradients of one block's activations, and sums over all blocks.

    Args:
        folded: The field.
        total: Sums of the matrices' gradients so far; added to in place.
        samples: Of a block.
    """

    def __init__(self, folded: FoldedField, total: FoldedField, samples: int) -> None:
        new, hidden = folded.by_features.new_empty, folded.num_hidden
        rows = folded.by_features.shape[0]
        self.folded, self.total = folded, total
        self.dz, self.by_adjoints = new(rows, samples), new(hidden, samples)
        self.through = self.by_adjoints[: folded.sdf_layers[0].shape[1] if hidden else 0].clone()
        colour, width = rows - folded.by_geometry.shape[0], folded.by_geometry.shape[1]
        self.sdf, self.gradient, self.colours = (
            self.dz[hidden],
            self.dz[colour - 3 : colour],
            self.dz[-3:],
        )
        self.geometry, self.colour = self.dz[colour - width : colour], self.dz[colour:]
        self.sdf_layers = sdf_views(total, self.dz, self.by_adjoints, self.by_adjoints)
        self.colour_layers = colour_views(total, self.colour)
        # Parts of the matrices that the reverse sweep uses.
        self.swept = [m[:hidden] for m in (folded.by_features, folded.by_inputs[:, :3])]
        self.sums_swept = [m[: hidden + 1] for m in (total.by_features, total.by_inputs[:, :3])]

    def add(
        self,
        block: Block,
        done: Activations,
        by_sdf: Float[Tensor, " n"],
        by_gradient: Float[Tensor, "3 n"],
        by_colours: Float[Tensor, "3 n"],
        voxels: Float[Tensor, "v c"] | None,
    ) -> None:
        """Add the gradients of the matrices to `total` and those of the table to `voxels`."""
        torch.mul(1 - done.colours, done.colours, out=self.colours)
        self.colours.mul_(by_colours)
        self._colour(done)
        self.gradient.add_(by_gradient)
        self.sdf.copy_(by_sdf)

        # What pulls on the gradient pulls on each corner's share of it.
        per_voxel = block.voxels_per_metre @ self.gradient
        pulls = (block.weights[1:] * per_voxel.unsqueeze(1)).sum(dim=0)  # 8 n
        pulled = weighted_rows(block.table, block.corners, pulls)  # n c
        torch.mm(self.swept[0], pulled.T, out=self.by_adjoints)
        self.by_adjoints.addmm_(self.swept[1], self.gradient)
        self.sums_swept[0].addmm_(done.adjoints, pulled)
        self.sums_swept[1].addmm_(done.adjoints, self.gradient.T)
        self._sweep(done)
        self._sdf(done)

        self.total.by_features.addmm_(self.dz, done.features)
        self.total.by_inputs.addmm_(self.dz, block.inputs.T)
        if voxels is not None:
            by_features = self.dz.T @ self.folded.by_features
            _add_rows(voxels, block.corners, block.weights[0], by_features, pulls, done.by_features)

    def _colour(self, done: Activations) -> None:
        """From the colours' rows to all colour rows, geometry and gradient."""
        for forward, mine in zip(done.colour_layers[::-1], self.colour_layers[::-1], strict=True):
            mine.weight.addmm_(mine.next_z, forward.z.T)
            torch.mm(forward.weight.T, mine.next_z, out=mine.z)
            mine.z.mul_(forward.z.sign())  # ReLU's slope: 0 or 1
        self.total.by_geometry.addmm_(self.colour, done.geometry.T)
        torch.mm(self.folded.by_geometry.T, self.colour, out=self.geometry)

    def _sweep(self, done: Activations) -> None:
        """Back through the reverse sweep; `by_adjoints` becomes z's gradient by way of it."""
        count = len(done.sdf_layers)
        for i, (forward, mine) in enumerate(zip(done.sdf_layers, self.sdf_layers, strict=True)):
            through = torch.mul(mine.adjoints, forward.slopes, out=self.through)
            if i + 1 < count:
                mine.weight.addmm_(done.sdf_layers[i + 1].adjoints, through.T)
                self.sdf_layers[i + 1].adjoints.addmm_(forward.weight, through)
            else:
                mine.weight[0] += through.sum(dim=1)
            mine.adjoints.sub_(through).mul_(forward.adjoints)

    def _sdf(self, done: Activations) -> None:
        """Back through the SDF decoder's layers, adding what came by way of the sweep."""
        for forward, mine in zip(done.sdf_layers[::-1], self.sdf_layers[::-1], strict=True):
            mine.weight.addmm_(mine.next_z, forward.z.T)
            torch.mm(forward.weight.T, mine.next_z, out=mine.z)
            torch.addcmul(mine.adjoints, mine.z, forward.slopes, out=mine.z)


def _add_rows(
    voxels: Float[Tensor, "v c"],
    corners: Int[Tensor, "8 n"],
    weights: Float[Tensor, "8 n"],
    by_features: Float[Tensor, "n c"],
    pulls: Float[Tensor, "8 n"],
    by_slopes: Float[Tensor, "n c"],
) -> None:
    """Add `weights` times `by_features` and `pulls` times `by_slopes` to the corners' rows."""
    # Indices of 64 bits: torch adds rows at 32 bits three times more slowly.
    rows = corners.T.long()  # n 8
    parts = (rows, weights.T.unsqueeze(-1), by_features.unsqueeze(1), pulls.T.unsqueeze(-1))
    size = _ADDED_AT_ONCE if voxels.device.type == "cpu" else rows.shape[0]
    pieces = zip(*(t.split(size) for t in (*parts, by_slopes.unsqueeze(1))), strict=True)
    for row, weight, value, pull, slope in pieces:
        shares = (weight * value).addcmul_(pull, slope)  # n 8 c
        voxels.index_add_(0, row.reshape(-1), shares.flatten(0, 1))
