"""Rebuild a frame from other frames without learning anything: what the decoder is compared with.

Source volumes enter as the temporal decoder takes them: warped into the target frame's ego axes,
with their validity, signed time offsets (seconds) and presence. The target's volume leaves.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


def valid_mean(
    warped: Float[Tensor, "b s c z y x"], valid: Bool[Tensor, "b s z y x"]
) -> Float[Tensor, "b c z y x"]:
    """Mean over the sources that are valid at each voxel; zero where none is."""
    share = valid / valid.sum(dim=1, keepdim=True).clamp(min=1)
    return (warped * share.unsqueeze(2)).sum(dim=1)


class NearestFrame(nn.Module):
    """Baseline: at each voxel the warped source that is nearest in time and valid there.

    Of two sources equally far away the past one counts. It learns nothing; where no source is
    valid the volume is zero.
    """

    def forward(
        self,
        warped: Float[Tensor, "b s c z y x"],
        valid: Bool[Tensor, "b s z y x"],
        dt_s: Float[Tensor, "b s"],
        present: Bool[Tensor, "b s"],
        mean: Float[Tensor, "b c z y x"] | None = None,
    ) -> Float[Tensor, "b c z y x"]:
        """Copy; see `TemporalDecoder.forward` for the arguments."""
        usable = valid & present[:, :, None, None, None]
        # A future source counts as a hair farther, so that a tie goes to the past.
        away = torch.where(dt_s > 0, dt_s * (1 + 1e-5), -dt_s)[:, :, None, None, None]
        nearest = away.expand(usable.shape).masked_fill(~usable, math.inf).argmin(dim=1)
        index = nearest[:, None, None].expand(-1, 1, warped.shape[2], -1, -1, -1)
        copied = warped.gather(1, index).squeeze(1)
        return copied * usable.any(dim=1).unsqueeze(1)


class MeanFrame(nn.Module):
    """Baseline: at each voxel the mean of the warped sources that are valid there."""

    def forward(
        self,
        warped: Float[Tensor, "b s c z y x"],
        valid: Bool[Tensor, "b s z y x"],
        dt_s: Float[Tensor, "b s"],
        present: Bool[Tensor, "b s"],
        mean: Float[Tensor, "b c z y x"] | None = None,
    ) -> Float[Tensor, "b c z y x"]:
        """Average; see `TemporalDecoder.forward` for the arguments."""
        if mean is not None:
            return mean
        return valid_mean(warped, valid & present[:, :, None, None, None])
