"""How much a rendered picture resembles the true one: PSNR and SSIM.

What enters are colours in [0, 1] and which pixels are picture; what leaves is one value per image.
PSNR = −10 log10 MSE, in dB, over the valid pixels and all channels, at most 100 dB.
SSIM is that of Wang et al., "Image quality assessment: from error visibility to structural
similarity", 2004: Gaussian window of 11 × 11 with σ 1.5, K1 0.01, K2 0.03, data range 1, channel by
channel; the mean over channels and over all windows that lie wholly inside valid pixels.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

WINDOW_PX, SIGMA_PX = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
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
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))
    invalid = (~valid).double().unsqueeze(1)
    whole = torch.nn.functional.max_pool2d(invalid, WINDOW_PX, stride=1) == 0
    return (similarity.mean(dim=1, keepdim=True) * whole).sum(dim=(1, 2, 3)) / whole.sum(
        dim=(1, 2, 3)
    )


def _blur(images: Float[Tensor, "m c h w"]) -> Float[Tensor, "m c h2 w2"]:
    """Gaussian means of every window that lies wholly inside the images."""
    offset = torch.arange(WINDOW_PX, dtype=images.dtype) - (WINDOW_PX - 1) / 2
    kernel = torch.exp(-(offset**2) / (2 * SIGMA_PX**2))
    kernel = kernel / kernel.sum()
    flat = images.flatten(0, 1).unsqueeze(1)
    rows = torch.nn.functional.conv2d(flat, kernel.view(1, 1, -1, 1))
    blurred = torch.nn.functional.conv2d(rows, kernel.view(1, 1, 1, -1))
    return blurred.squeeze(1).unflatten(0, images.shape[:2])
