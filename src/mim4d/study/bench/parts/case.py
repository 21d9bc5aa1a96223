"""A part with its inputs, ready to be run again and again on the same numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Outputs = list[Tensor]


@dataclass
class Case:
    """A part, what goes into it, and what it is asked for.

    Attributes:
        module: Holds the weights that the part learns.
        forward: Runs the part on its inputs; its outputs are those that training reads.
        inputs: Tensors with gradient among the inputs.
        seed: Set before every run: stochastic depth draws from torch's global generator.
        finish: What a step does after its backward pass.
    """

    module: nn.Module
    forward: Callable[[], Outputs]
    inputs: list[Tensor]
    seed: int
    finish: Callable[[], None] | None = None
    _cotangents: list[Tensor] | None = None

    def run(self, backward: bool) -> Outputs:
        """Forward and, if wanted, backward with fixed incoming gradients."""
        torch.manual_seed(self.seed)
        for tensor in (*self.module.parameters(), *self.inputs):
            tensor.grad = None
        with torch.set_grad_enabled(backward):
            outputs = self.forward()
        if backward:
            if self._cotangents is None:
                self._cotangents = _like(outputs, self.seed)
            torch.autograd.backward(outputs, self._cotangents)
            if self.finish is not None:
                self.finish()
        return outputs

    def forward_with_graph(self) -> Outputs:
        """Forward alone, as if a backward pass were to follow."""
        torch.manual_seed(self.seed)
        return self.forward()

    def numbers(self) -> dict[str, Tensor]:
        """Outputs and gradients by name, from one run."""
        found = {f"output {k}": out.detach() for k, out in enumerate(self.run(backward=True))}
        learned = [(f"input {k}", tensor) for k, tensor in enumerate(self.inputs)]
        for name, tensor in [*learned, *self.module.named_parameters()]:
            if tensor.grad is not None:
                found[name] = tensor.grad
        return found


def _like(outputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Incoming gradients; a scalar's is 1."""
    generator = torch.Generator().manual_seed(seed + 1)
    return [
        torch.ones_like(out)
        if out.ndim == 0
        else torch.randn(out.shape, generator=generator).to(out)
        for out in outputs
    ]
