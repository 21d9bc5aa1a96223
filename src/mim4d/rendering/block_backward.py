"""Gradients of one block of samples, added to those of the blocks before.

The forward holds a reverse sweep of its own (the SDF's gradient), so the backward goes through that
sweep forwards, then through the SDF decoder backwards. Per hidden row of the SDF decoder, with
z ↦ softplus(z), slope s and adjoint a = (Wᵀ a_next) s:
    a gets D  ⇒  Wᵀ a_next gets D s,  and z gets D a_next' s (1 − s) = a (D − D s).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.rendering.block_forward import Activations, Block, weighted_rows
from mim4d.rendering.folded_field import FoldedField


def no_gradients(folded: FoldedField) -> FoldedField:
    """Sums over blocks, in the layout of the field, before the first."""
    zeros = [torch.zeros_like(matrix) for matrix in folded.tensors()]
    return FoldedField.from_tensors(zeros, len(folded.sdf_layers))


def add_gradients(
    folded: FoldedField,
    block: Block,
    done: Activations,
    by_outputs: tuple[Float[Tensor, " n"], Float[Tensor, "3 n"], Float[Tensor, "3 n"]],
    total: FoldedField,
    voxels: Float[Tensor, "v c"] | None,
) -> None:
    """Add the gradients of the matrices and of the table, in place.

    Args:
        folded: The field.
        block: Its inputs.
        done: From `decode`.
        by_outputs: Of signed distance, gradient and colour.
        total: Of the matrices.
        voxels: Of the table; None where nobody asks.
    """
    by_sdf, by_gradient, by_colours = by_outputs
    hidden, rows = done.slopes.shape[0], folded.by_geometry.shape[0]
    dz = torch.empty_like(done.z)
    torch.mul(1 - done.colours, done.colours, out=dz[-3:])
    dz[-3:] *= by_colours
    _colour_layers(folded, total, done.z, dz)
    slope_rows = dz[-rows - 3 : -rows]
    slope_rows += by_gradient
    dz[hidden] = by_sdf

    # What pulls on the gradient pulls on each corner's share of it.
    per_voxel = block.voxels_per_metre @ slope_rows
    pulls = (block.weights[1:] * per_voxel.unsqueeze(1)).sum(dim=0)  # 8 n
    pulled = weighted_rows(block.table, block.corners, pulls)  # n c
    by_adjoints = torch.mm(folded.by_features[:hidden], pulled.T)
    by_adjoints.addmm_(folded.by_inputs[:hidden, :3], slope_rows)
    total.by_features[: hidden + 1].addmm_(done.adjoints, pulled)
    total.by_inputs[: hidden + 1, :3].addmm_(done.adjoints, slope_rows.T)
    _sweep(folded, total, done, by_adjoints)
    _sdf_layers(folded, total, done, dz, by_adjoints)

    total.by_features.addmm_(dz, done.features)
    total.by_inputs.addmm_(dz, block.inputs.T)
    if voxels is not None:
        by_features = dz.T @ folded.by_features
        shares = block.weights[0].T.unsqueeze(-1) * by_features.unsqueeze(1)  # n 8 c
        shares.addcmul_(pulls.T.unsqueeze(-1), done.by_features.unsqueeze(1))
        # Indices of 64 bits: torch adds rows at 32 bits three times more slowly.
        voxels.index_add_(0, block.corners.T.flatten().long(), shares.flatten(0, 1))


def _colour_layers(
    folded: FoldedField, total: FoldedField, z: Float[Tensor, "rows n"], dz: Float[Tensor, "rows n"]
) -> None:
    """From the colours' rows of `dz` to all colour rows, geometry and gradient."""
    rows, width = folded.by_geometry.shape
    colour, by_colour = z[-rows:], dz[-rows:]
    end = rows - 3
    for layer, sums in zip(folded.colour_layers[::-1], total.colour_layers[::-1], strict=True):
        row = end - layer.shape[1]
        following = by_colour[end : end + layer.shape[0]]
        sums.addmm_(following, colour[row:end].T)
        torch.mm(layer.T, following, out=by_colour[row:end])
        by_colour[row:end] *= colour[row:end].sign()  # ReLU's: 0 or 1
        end = row
    before = slice(-rows - width, -rows)
    total.by_geometry.addmm_(by_colour, z[before].T)
    torch.mm(folded.by_geometry.T, by_colour, out=dz[before])


def _sweep(
    folded: FoldedField,
    total: FoldedField,
    done: Activations,
    by_adjoints: Float[Tensor, "hidden n"],
) -> None:
    """Back through the reverse sweep; `by_adjoints` becomes the gradient of z by way of it."""
    row = 0
    for i, (layer, sums) in enumerate(zip(folded.sdf_layers, total.sdf_layers, strict=True)):
        end = row + layer.shape[1]
        mine, adjoints = by_adjoints[row:end], done.adjoints[row:end]
        through = mine * done.slopes[row:end]
        if i + 1 < len(folded.sdf_layers):
            following = slice(end, end + layer.shape[0])
            sums.addmm_(done.adjoints[following], through.T)
            by_adjoints[following].addmm_(layer, through)
        else:
            sums[0] += through.sum(dim=1)
        mine.sub_(through).mul_(adjoints)
        row = end


def _sdf_layers(
    folded: FoldedField,
    total: FoldedField,
    done: Activations,
    dz: Float[Tensor, "rows n"],
    by_sweep: Float[Tensor, "hidden n"],
) -> None:
    """Back through the SDF decoder's layers, adding what came by way of the sweep."""
    end = done.slopes.shape[0]
    for layer, sums in zip(folded.sdf_layers[::-1], total.sdf_layers[::-1], strict=True):
        row = end - layer.shape[1]
        following, mine = dz[end : end + layer.shape[0]], dz[row:end]
        sums.addmm_(following, done.z[row:end].T)
        torch.mm(layer.T, following, out=mine)
        torch.addcmul(by_sweep[row:end], mine, done.slopes[row:end], out=mine)
        end = row
