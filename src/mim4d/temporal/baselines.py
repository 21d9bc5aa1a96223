"""Rebuild a frame from other frames without learning anything: what the decoder is compared with.

Enter the target frame's `Sources`, as the temporal decoder takes them; leaves its volume.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.temporal.sources import Sources, valid_mean


class NearestFrame(nn.Module):
    """Baseline: at each voxel the warped source that is nearest in time and valid there.

    Of two sources equally far away the past one counts. It learns nothing; where no source is
    valid the volume is zero.
    """

    def forward(
        self, sources: Sources, mean: Float[Tensor, "m c z y x"] | None = None
    ) -> Float[Tensor, "m c z y x"]:
        """Copy; see `TemporalDecoder.forward` for the arguments."""
        usable, dt_s = sources.usable, sources.dt_s
        # A future source counts as a hair farther, so that a tie goes to the past.
        away = torch.where(dt_s > 0, dt_s * (1 + 1e-5), -dt_s)[:, :, None, None, None]
        nearest = away.expand(usable.shape).masked_fill(~usable, math.inf).argmin(dim=1)
        index = nearest[:, None, None].expand(-1, 1, sources.warped.shape[2], -1, -1, -1)
        copied = sources.warped.gather(1, index).squeeze(1)
        return copied * usable.any(dim=1).unsqueeze(1)


class MeanFrame(nn.Module):
    """Baseline: at each voxel the mean of the warped sources that are valid there."""

    def forward(
        self, sources: Sources, mean: Float[Tensor, "m c z y x"] | None = None
    ) -> Float[Tensor, "m c z y x"]:
        """Average; see `TemporalDecoder.forward` for the arguments."""
        return valid_mean(sources) if mean is None else mean
