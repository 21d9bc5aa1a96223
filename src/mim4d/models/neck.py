"""Feature pyramid: several feature maps of one image become maps of one width.

Maps `m c hf wf` enter finest first, with their own channels; maps of `out_channels` leave, finest
first. Coarse maps are added to finer ones by nearest upsampling (FPN, arXiv 1612.03144). The neck
is dense: cells that were hidden from the encoder are filled from their neighbours here.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class FeaturePyramid(nn.Module):
    """FPN without norms or activations; one input and one output make a plain projection.

    Args:
        in_channels: Channels of each input, finest first.
        out_channels: Channels of every output.
        num_outputs: Emitted levels, by default one per input. Fewer emit only the finest ones (the
            coarser inputs still reach them from above, and no unused layer is built); more append
            levels by 3×3 convolutions of stride 2 on the last output.

    Raises:
        ValueError: If there is no input or no output.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, num_outputs: int | None = None
    ) -> None:
        super().__init__()
        num_outputs = len(in_channels) if num_outputs is None else num_outputs
        if not in_channels or num_outputs < 1:
            raise ValueError(
                f"neck: expected at least one input and one output, got inputs of "
                f"{list(in_channels)} channels and {num_outputs} outputs"
            )
        num_merged = min(num_outputs, len(in_channels))
        self.laterals = nn.ModuleList(nn.Conv2d(c, out_channels, 1) for c in in_channels)
        self.outputs = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in range(num_merged)
        )
        self.extras = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1)
            for _ in range(num_outputs - num_merged)
        )
        for conv in [*self.laterals, *self.outputs, *self.extras]:
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(
        self, features: list[Float[Tensor, "m _c _hf _wf"]]
    ) -> list[Float[Tensor, "m c _hf _wf"]]:
        """Merge from the coarsest map down to the finest, then smooth each emitted level."""
        merged = [conv(x) for conv, x in zip(self.laterals, features, strict=True)]
        for fine in range(len(merged) - 2, -1, -1):
            size = merged[fine].shape[-2:]
            merged[fine] = merged[fine] + F.interpolate(merged[fine + 1], size=size, mode="nearest")
        levels = [conv(x) for conv, x in zip(self.outputs, merged, strict=False)]
        for conv in self.extras:
            levels.append(conv(levels[-1]))
        return levels
