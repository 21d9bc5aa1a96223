"""Layer normalisation over the channel axis of channel-first tensors.

Every position is normalised on its own, so a hidden cell cannot influence a visible one and a batch
of two equals two batches of one, which batch statistics cannot promise.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelLayerNorm(nn.LayerNorm):
    """`LayerNorm` over axis 1 of `m c *s`: maps, volumes or plain vectors.

    The result keeps the shape; in memory its channels lie innermost (`channels_last`), because that
    is how the kernel reads them and no copy back is made.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Float[Tensor, "m c *s"]) -> Float[Tensor, "m c *s"]:
        """Normalise each position over its channels, then scale and shift."""
        normed = F.layer_norm(
            x.movedim(1, -1), self.normalized_shape, self.weight, self.bias, self.eps
        )
        return normed.movedim(-1, 1)
