"""How much a rendered picture resembles the true one: PSNR and SSIM.

What enters are colours in [0, 1] and which pixels are picture; what leaves is one value per image.
PSNR = −10 log10 MSE, in dB, over the valid pixels and all channels, at most 100 dB.
SSIM is that of Wang et al., "Image quality assessment: from error visibility to structural
similarity", 2004: Gaussian window of 11 × 11 with σ 1.5, K1 0.01, K2 0.03, data range 1, channel by
channel, as torchmetrics computes it; here the mean is taken over channels and over the windows that
lie wholly inside valid pixels.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

WINDOW_PX, SIGMA_PX = 11, 1.5
_LEAST_MSE = 1e-10


def psnr(
    predicted: Float[Tensor, "m h w 3"],
    truth: Float[Tensor, "m h w 3"],
    valid: Bool[Tensor, "m h w"],
) -> Float[Tensor, " m"]:
    """Peak signal-to-noise ratio of each image, dB; NaN where no pixel is valid."""
    squared = (predicted.double() - truth.double()).square().mean(dim=-1)
    mse = torch.where(valid, squared, 0.0).sum(dim=(1, 2)) / valid.sum(dim=(1, 2))
    return -10 * mse.clamp(min=_LEAST_MSE).log10()


def ssim(
    predicted: Float[Tensor, "m h w 3"],
    truth: Float[Tensor, "m h w 3"],
    valid: Bool[Tensor, "m h w"],
) -> Float[Tensor, " m"]:
    """Structural similarity of each image, at most 1; NaN where no window fits."""
    m, h, w = valid.shape
    if min(h, w) < WINDOW_PX:
        return torch.full((m,), torch.nan, dtype=torch.float64)
    # What is not picture may be anything; no window with weight sees it.
    x, y = (
        rearrange(torch.where(valid.unsqueeze(-1), image.double(), 0.0), "m h w c -> m c h w")
        for image in (predicted, truth)
    )
    _, similarity = structural_similarity_index_measure(
        x, y, sigma=SIGMA_PX, data_range=1.0, return_full_image=True
    )
    # It reflects images at their borders; a window that lies wholly inside needs nothing of that.
    inside = slice(WINDOW_PX // 2, -(WINDOW_PX // 2))
    similarity = similarity[..., inside, inside].mean(dim=1)
    invalid = (~valid).double().unsqueeze(1)
    whole = torch.nn.functional.max_pool2d(invalid, WINDOW_PX, stride=1).squeeze(1) == 0
    return (similarity * whole).sum(dim=(1, 2)) / whole.sum(dim=(1, 2))
