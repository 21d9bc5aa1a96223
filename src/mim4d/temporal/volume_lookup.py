"""Trilinear look-ups of volumes, differentiable in the volumes and in the positions.

Positions along x, y and z count voxels, with the centre of the first at 0; outside a volume lie
zeros. On a CPU compiled loops read and spread the eight voxels around each position; elsewhere one
`embedding_bag` sums them. The renderer sums the same voxels by a function of its own that wants no
gradient of the positions; here a scene flow is learned through them.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.compiled import has_compiler
from mim4d.geometry.trilinear import corner_products, corner_rows, neighbours
from mim4d.temporal.warp_kernels import read_voxels, slopes_at_positions, spread_to_voxels


def read_volume(
    volume: Float[Tensor, "m c z y x"],
    x: Float[Tensor, "m p"],
    y: Float[Tensor, "m p"],
    z: Float[Tensor, "m p"],
) -> Float[Tensor, "m c p"]:
    """Interpolate; in memory the channels lie innermost, as in a volume that is read fastest."""
    table = volume.movedim(1, -1)  # m z y x c
    if volume.device.type == "cpu" and has_compiler():
        found: Tensor = _compiled(table.contiguous(), x, y, z)
        return found.transpose(1, 2)
    return read_volume_by_bags(volume, x, y, z)


def read_volume_by_bags(
    volume: Float[Tensor, "m c z y x"],
    x: Float[Tensor, "m p"],
    y: Float[Tensor, "m p"],
    z: Float[Tensor, "m p"],
) -> Float[Tensor, "m c p"]:
    """The same; indices and weights of eight voxels for each position stand in memory."""
    m, _, *shape_zyx = volume.shape
    shape_xyz = (shape_zyx[2], shape_zyx[1], shape_zyx[0])
    near = neighbours(torch.stack([x, y, z]).flatten(1), shape_xyz)
    volumes = torch.arange(m, device=volume.device, dtype=torch.int32)
    first_row = volumes * (shape_zyx[0] * shape_zyx[1] * shape_zyx[2])
    values = F.embedding_bag(
        corner_rows(near.index, first_row.repeat_interleave(x.shape[1]), shape_xyz),
        volume.movedim(1, -1).flatten(0, 3),
        mode="sum",
        per_sample_weights=corner_products(*near.weight).T.contiguous(),
    )
    return values.unflatten(0, (m, -1)).transpose(1, 2)


@torch.library.custom_op("mim4d::read_volume", mutates_args=(), device_types="cpu")
def _compiled(table: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    *shape, c = table.shape[1:]
    found = table.new_empty(*x.shape, c)
    arrays = [t.contiguous().numpy() for t in (table.view(-1, c), x, y, z)]
    read_voxels(x.numel(), tuple(shape), *arrays, found.view(-1, c).numpy())
    return found


@torch.library.custom_op("mim4d::read_volume_backward", mutates_args=(), device_types="cpu")
def _of_volume(grad: Tensor, x: Tensor, y: Tensor, z: Tensor, shape: list[int]) -> Tensor:
    m, *size, c = shape
    of_table = grad.new_zeros(shape)
    arrays = [t.contiguous().numpy() for t in (grad.reshape(-1, c), x, y, z)]
    spread_to_voxels(m, tuple(size), *arrays, of_table.view(-1, c).numpy())
    return of_table


@torch.library.custom_op("mim4d::read_volume_slopes", mutates_args=(), device_types="cpu")
def _of_positions(grad: Tensor, table: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    *shape, c = table.shape[1:]
    slopes = x.new_empty(3, *x.shape)
    tables = (grad.reshape(-1, c), table.view(-1, c), x, y, z)
    arrays = [t.contiguous().numpy() for t in tables]
    slopes_at_positions(x.numel(), tuple(shape), *arrays, slopes.numpy())
    return slopes


@_compiled.register_fake
def _(table: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return table.new_empty(*x.shape, table.shape[-1])


@_of_volume.register_fake
def _(grad: Tensor, x: Tensor, y: Tensor, z: Tensor, shape: list[int]) -> Tensor:
    return grad.new_empty(shape)


@_of_positions.register_fake
def _(grad: Tensor, table: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return x.new_empty(3, *x.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    table, *positions = inputs
    ctx.shape = list(table.shape)
    # The volume itself is needed for the positions' gradient only.
    ctx.moves = any(ctx.needs_input_grad[1:])
    ctx.save_for_backward(*positions, *([table] if ctx.moves else []))


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, y, z, *table = ctx.saved_tensors
    of_table = _of_volume(grad, x, y, z, ctx.shape) if ctx.needs_input_grad[0] else None
    if not ctx.moves:
        return of_table, None, None, None
    return of_table, *_of_positions(grad, *table, x, y, z).unbind(0)


_compiled.register_autograd(_backward, setup_context=_keep)
