"""Weighted look-ups of several maps at several places at once, as deformable attention needs them.

Every query is a cell of the maps. For each head it asks each source's map at `p` places: bilinear
between the map's cells, zero outside. The places' weights are a softmax over the places of one
source and head, times the source's share. On a CPU compiled loops sum the places, and what is
looked up is never written out; elsewhere `grid_sample` looks up and the result is weighted.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.compiled import has_compiler
from mim4d.geometry.lattices import cell_centres
from mim4d.temporal.map_lookup_kernels import spread_to_places, sum_places


def look_up(
    maps: Float[Tensor, "b s y x h c"],
    asked: Float[Tensor, "b q h s 3 p"],
    shares: Float[Tensor, "b s"],
) -> Float[Tensor, "b q h c"]:
    """Sum what the maps hold; differentiable in `maps` and `asked`.

    Args:
        maps: A map of every source, its channels split into heads.
        asked: Of every cell, row by row (q = y·x): along x and y how many cells away a place lies,
            and its weight before the softmax.
        shares: What the weights of each source add up to.
    """
    if maps.device.type == "cpu" and has_compiler():
        found: Tensor = _compiled(maps, asked, shares)
        return found
    return look_up_by_grid_sample(maps, asked, shares)


def look_up_by_grid_sample(
    maps: Float[Tensor, "b s y x h c"],
    asked: Float[Tensor, "b q h s 3 p"],
    shares: Float[Tensor, "b s"],
) -> Float[Tensor, "b q h c"]:
    """The same, with every place's features in memory."""
    b, s, y, x, h, _ = maps.shape
    # Cells run along the last axis, so that products broadcast over long contiguous rows.
    offsets, logits = asked[..., :2, :], asked[..., 2, :]
    cells_to_unit = asked.new_tensor([2 / x, 2 / y])
    centres = cell_centres((y, x), asked.device, asked.dtype).flatten(0, 1) * cells_to_unit - 1
    looked_up = F.grid_sample(
        rearrange(maps, "b s y x h c -> (b s h) c y x"),
        centres + rearrange(offsets, "b q h s uv p -> (b s h) p q uv") * cells_to_unit,
        align_corners=False,
    )
    weights = rearrange(logits, "b q h s p -> b s h p q").softmax(dim=-2)
    weights = (weights * shares[:, :, None, None, None]).flatten(0, 2)
    found = (looked_up * weights.unsqueeze(1)).sum(dim=2)
    return rearrange(found, "(b s h) c q -> b s q h c", b=b, s=s, h=h).sum(dim=1)


@torch.library.custom_op("mim4d::look_up", mutates_args=(), device_types="cpu")
def _compiled(maps: Tensor, asked: Tensor, shares: Tensor) -> Tensor:
    *sizes, c = maps.shape
    b, q, h, _, _, p = asked.shape
    found = maps.new_empty(b, q, h, c)
    arrays = [
        t.contiguous().numpy() for t in (maps.reshape(-1, c), asked.reshape(-1, 3 * p), shares)
    ]
    sum_places(q, tuple(sizes), *arrays, found.view(-1, c).numpy())
    return found


@torch.library.custom_op("mim4d::look_up_backward", mutates_args=(), device_types="cpu")
def _gradients(grad: Tensor, maps: Tensor, asked: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    b, s, y, x, h, c = maps.shape
    p = asked.shape[-1]
    of_maps, of_asked = maps.new_zeros(maps.shape), asked.new_zeros(asked.shape)
    tables = (grad.reshape(-1, c), maps.reshape(-1, c), asked.reshape(-1, 3 * p), shares)
    arrays = [t.contiguous().numpy() for t in tables]
    into = of_maps.view(-1, c).numpy(), of_asked.view(-1, 3 * p).numpy()
    spread_to_places(b * h * s, (b, s, y, x, h), *arrays, *into)
    return of_maps, of_asked


@_compiled.register_fake
def _(maps: Tensor, asked: Tensor, shares: Tensor) -> Tensor:
    return maps.new_empty(*asked.shape[:3], maps.shape[-1])


@_gradients.register_fake
def _(grad: Tensor, maps: Tensor, asked: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    return maps.new_empty(maps.shape), asked.new_empty(asked.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    return *_gradients(grad, *ctx.saved_tensors), None


_compiled.register_autograd(_backward, setup_context=_keep)
