"""The radiance field, block by block: tensors of one block of samples stay in the cache.

Enters: the folded field, the volume, points and directions. Leaves: signed distance, its gradient
and colour of every sample. Torch would keep some five hundred numbers a sample and walk through
each of them in memory far larger than any cache; here a few thousand samples go through the whole
field at a time, forward and backward, and gradients of weights and voxels are added up.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.block_backward import BlockGradients, no_gradients
from mim4d.rendering.block_corners import GridAxes, block_corners
from mim4d.rendering.block_forward import (
    Activations,
    Block,
    SdfLayer,
    activate_sdf,
    complete,
    decode,
    sdf_views,
    weighted_rows,
)
from mim4d.rendering.block_threads import Numbered, block_places, in_threads
from mim4d.rendering.folded_field import FoldedField

_Sums = tuple[Tensor | None, list[Tensor]]  # gradients of the table and of the matrices


@dataclass(frozen=True)
class BlockPlan:
    """What is no tensor.

    Attributes:
        grid: Of the volume.
        num_sdf_layers: Number of `FoldedField.sdf_layers`.
        chunk_rays: At most so many rays in a block, over all volumes; the backward computes each
            block again. None keeps what it needs.
    """

    grid: VoxelGrid
    num_sdf_layers: int
    chunk_rays: int | None


def field_in_blocks(
    folded: FoldedField,
    volume: Float[Tensor, "b c z y x"],
    points_ego: Float[Tensor, "b r s 3"],
    directions: Float[Tensor, "b r 3"],
    grid: VoxelGrid,
    chunk_rays: int | None,
) -> tuple[Float[Tensor, "b r s"], Float[Tensor, "b r s 3"], Float[Tensor, "b r s 3"]]:
    """Signed distance (metres), gradient (ego axes) and colour; points carry no gradient."""
    if chunk_rays is not None and chunk_rays >= points_ego[..., 0, 0].numel():
        chunk_rays = None
    plan = BlockPlan(grid, len(folded.sdf_layers), chunk_rays)
    table = _table(volume)
    sdf, gradient, colours = _FieldInBlocks.apply(
        plan, table, points_ego.detach(), directions.detach(), *folded.tensors()
    )
    return sdf, gradient.movedim(0, -1), colours.movedim(0, -1)


@torch.no_grad()
def sdf_in_blocks(
    folded: FoldedField,
    volume: Float[Tensor, "b c z y x"],
    points_ego: Float[Tensor, "b r s 3"],
    grid: VoxelGrid,
    chunk_rays: int | None,
) -> Float[Tensor, "b r s"]:
    """Signed distance only, without gradient."""
    table = _table(volume)
    axes = GridAxes.of(grid, points_ego)
    rows = folded.num_hidden + 1
    matrices = [matrix[:rows] for matrix in folded[:2]]
    last = [layer[:1] for layer in folded.sdf_layers[-1:]]  # the distance, not the geometry
    folded = folded._replace(sdf_layers=(*folded.sdf_layers[:-1], *last))
    sdf = points_ego.new_empty(points_ego.shape[:3])

    def work(part: Numbered) -> None:
        z: Tensor | None = None
        layers: list[SdfLayer] = []
        for _, where in part:
            block = _block(table, points_ego, None, axes, where, with_slopes=False)
            samples = block.inputs.shape[1]
            if z is None or z.shape[1] != samples:
                z = matrices[0].new_empty(rows, samples)
                slopes = z.new_empty(rows - 1, samples)
                layers = sdf_views(folded, z, slopes, slopes)  # no adjoints are asked for
            features = weighted_rows(block.table, block.corners, block.weights[0])
            torch.mm(matrices[0], features.T, out=z)
            z.addmm_(matrices[1], block.inputs)
            activate_sdf(layers)
            sdf[where] = z[-1].view_as(sdf[where])

    in_threads(work, block_places(points_ego, chunk_rays), points_ego)
    return sdf


def _table(volume: Float[Tensor, "b c z y x"]) -> Float[Tensor, "b v c"]:
    """Voxels as rows; no copy in the memory format `channels_last_3d`."""
    return volume.permute(0, 2, 3, 4, 1).flatten(1, 3).contiguous()


def _block(
    table: Float[Tensor, "b v c"],
    points: Float[Tensor, "b r s 3"],
    directions: Float[Tensor, "b r 3"] | None,
    axes: GridAxes,
    where: tuple[slice, slice],
    with_slopes: bool = True,
) -> Block:
    """Everything the field is a function of, for some samples."""
    part = points[where]
    inputs = part.new_empty(7, *part.shape[:3])
    inputs[:3] = part.movedim(-1, 0)
    if directions is not None:
        inputs[3:6] = directions[where].movedim(-1, 0).unsqueeze(-1)
    else:
        inputs[3:6] = 0.0
    inputs[6] = 1.0
    inputs = inputs.flatten(1)
    corners, weights = block_corners(inputs[:3], axes, part.shape[0], with_slopes)
    return Block(table[where[0]].flatten(0, 1), axes.per_metre, corners, weights, inputs)


class _FieldInBlocks(torch.autograd.Function):
    """Loop over the blocks; what lies between is first-order calculus written out by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: BlockPlan,
        table: Float[Tensor, "b v c"],
        points: Float[Tensor, "b r s 3"],
        directions: Float[Tensor, "b r 3"],
        *matrices: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Signed distance `b r s`; gradient and colour `3 b r s`."""
        folded = FoldedField.from_tensors(list(matrices), plan.num_sdf_layers)
        axes, shape = GridAxes.of(plan.grid, points), points.shape[:3]
        sdf = points.new_empty(shape)
        gradient, colours = (points.new_empty(3, *shape) for _ in range(2))
        keeps = plan.chunk_rays is None and any(ctx.needs_input_grad)
        places = block_places(points, plan.chunk_rays)
        kept: dict[int, tuple[Tensor, Tensor]] = {}

        def work(part: Numbered) -> None:
            done: Activations | None = None
            for number, where in part:
                block = _block(table, points, directions, axes, where)
                done = _memory(folded, block, None if keeps else done)
                decode(block, done)
                everywhere = (slice(None), *where)
                sdf[where] = done.sdf.view_as(sdf[where])
                gradient[everywhere] = done.gradient.view_as(gradient[everywhere])
                colours[everywhere] = done.colours.view_as(colours[everywhere])
                if keeps:
                    kept[number] = done.z, done.slopes

        in_threads(work, places, points)
        saved = [tensor for number in range(len(kept)) for tensor in kept[number]]
        ctx.plan, ctx.num_matrices = plan, len(matrices)
        ctx.save_for_backward(table, points, directions, *matrices, *saved)
        return sdf, gradient, colours

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, by_sdf: Tensor, by_gradient: Tensor, by_colours: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Gradients of the table and of all matrices."""
        table, points, directions, *rest = ctx.saved_tensors
        matrices, kept = rest[: ctx.num_matrices], rest[ctx.num_matrices :]
        folded = FoldedField.from_tensors(matrices, ctx.plan.num_sdf_layers)
        axes = GridAxes.of(ctx.plan.grid, points)

        def work(part: Numbered) -> _Sums:
            voxels = table.new_zeros(table.shape) if ctx.needs_input_grad[1] else None
            total = no_gradients(folded)
            done: Activations | None = None
            gradients: BlockGradients | None = None
            for number, where in part:
                block = _block(table, points, directions, axes, where)
                if kept:
                    done = Activations(folded, *kept[2 * number : 2 * number + 2])
                    complete(block, done)
                else:
                    done = _memory(folded, block, done)
                    decode(block, done)
                if gradients is None or gradients.dz.shape != done.z.shape:
                    gradients = BlockGradients(folded, total, done.z.shape[1])
                everywhere = (slice(None), *where)
                gradients.add(
                    block,
                    done,
                    by_sdf[where].flatten(),
                    by_gradient[everywhere].flatten(1),
                    by_colours[everywhere].flatten(1),
                    None if voxels is None else voxels[where[0]].flatten(0, 1),
                )
            for of_gradient in total.gradient_rows():
                of_gradient.zero_()  # nothing is read there
            return voxels, total.tensors()

        with torch.autocast(device_type=table.device.type, enabled=False):
            places = block_places(points, ctx.plan.chunk_rays)
            (voxels, totals), *others = in_threads(work, places, points)
        for more_voxels, more in others:
            if voxels is not None and more_voxels is not None:
                voxels += more_voxels
            for total, matrix in zip(totals, more, strict=True):
                total += matrix
        return None, voxels, None, None, *totals


def _memory(folded: FoldedField, block: Block, used: Activations | None) -> Activations:
    """Memory for the activations of `block`: `used` again, if it has the right size."""
    samples = block.inputs.shape[1]
    fits = used is not None and used.z.shape[1] == samples
    return used if used is not None and fits else Activations.empty(folded, samples)
