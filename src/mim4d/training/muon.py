"""AdamW whose convolution kernels learn by Muon: momentum made orthogonal, then scaled.

A kernel is a matrix of output channels by all else. The update has all of its singular values near
one, so that directions which the gradient hardly shows are learned as fast as those that dominate
it. Its size is that of a typical AdamW update, so that both share one learning rate and decay.
Muon, K. Jordan 2024 (kellerjordan.github.io/posts/muon); scaled as in arXiv 2502.16982.

`torch.optim.Muon` takes matrices alone, and timm's computes in bfloat16, which processors without
such instructions emulate slowly; this one computes in float32 and keeps torch's fused AdamW.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW

MOMENTUM = 0.95
_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ADAMW_RMS = 0.2
_LEAST_SIDE = 8


class MuonAdamW(AdamW):
    """AdamW; groups with `orthogonal` set take Muon's updates instead.

    Args:
        groups: Parameter groups, each with `lr` and `weight_decay`.
        betas: AdamW's.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float]) -> None:
        super().__init__(groups, betas=betas, fused=True)
        for group in self.param_groups:
            group.setdefault("orthogonal", False)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both kinds of groups."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        for group in groups:
            if group["orthogonal"]:
                self._orthogonal_step(group)
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        return loss

    def _orthogonal_step(self, group: dict[str, Any]) -> None:
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None:
                continue
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
                state["step"] = torch.zeros(())  # AdamW looks for it in every state it loads
            state["step"] += 1
            momentum: Tensor = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
            ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)
            scale = _ADAMW_RMS * max(ahead.shape) ** 0.5
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            update = orthogonalised(ahead).view_as(parameter)
            parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonalised(matrix: Float[Tensor, "a b"]) -> Float[Tensor, "a b"]:
    """U Vᵀ of the matrix U S Vᵀ, roughly: singular values between about 0.7 and 1.2.

    Newton–Schulz iteration x ← (a + b x xᵀ + c (x xᵀ)²) x with the quintic of K. Jordan. The
    factors commute, so they are multiplied on the shorter side, and the matrix itself is touched
    twice in all. What is nothing stays nothing.
    """
    wide = matrix.float() if matrix.shape[0] <= matrix.shape[1] else matrix.float().T
    x = wide / (wide.norm() + 1e-7)
    gram = x @ x.T
    a, b, c = _QUINTIC
    scaled_identity = a * torch.eye(len(gram), device=gram.device)

    def polynomial(gram: Tensor) -> Tensor:
        return torch.addmm(torch.add(scaled_identity, gram, alpha=b), gram, gram, alpha=c)

    factor = last = polynomial(gram)
    for _ in range(_STEPS - 1):
        gram = last @ gram @ last
        last = polynomial(gram)
        factor = last @ factor
    result = factor @ x
    return (result if matrix.shape[0] <= matrix.shape[1] else result.T).to(matrix.dtype)


def convolution_kernels(model: nn.Module) -> set[int]:
    """Identities of the kernels that are matrices worth making orthogonal.

    Not those of depthwise convolutions, nor such with fewer than eight rows or columns.
    """
    return {
        id(module.weight)
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Conv3d)
        and module.groups == 1
        and min(module.weight.flatten(1).shape) >= _LEAST_SIDE
    }
