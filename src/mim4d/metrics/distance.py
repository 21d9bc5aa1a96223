"""Errors of predicted distances (or depths), by pixel.

Truth d and prediction p in metres, over the valid pixels:
abs_rel = mean |d − p| / d; sq_rel = mean (d − p)² / d; rmse = √ mean (d − p)²;
rmse_log = √ mean (ln d − ln p)²; δ_k = share with max(d / p, p / d) strictly below 1.25^k.
The definitions are those that monocular depth papers share (Eigen et al., arXiv 1406.2283).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class DistanceErrors:
    """Errors over the valid pixels of one image or one data set."""

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    delta_1: float
    delta_2: float
    delta_3: float
    num_pixels: int


def distance_errors(
    predicted: Float[Tensor, "*p"],
    truth: Float[Tensor, "*p"],
    valid: Bool[Tensor, "*p"],
    min_m: float = 0.1,
    max_m: float = 80.0,
    median_scaled: bool = False,
) -> DistanceErrors | None:
    """Compare distances pixel by pixel.

    Args:
        predicted: Metres. Clamped to [`min_m`, `max_m`] after any scaling.
        truth: Metres. Pixels outside the open interval (`min_m`, `max_m`) do not count.
        valid: Further restriction of the pixels that count.
        min_m: Lower limit, metres.
        max_m: Upper limit, metres.
        median_scaled: First multiply the prediction by median(truth) / median(prediction) over the
            valid pixels, as scale-free methods need.

    Returns:
        The errors, or None where no pixel counts.
    """
    counted = valid & torch.isfinite(truth) & (truth > min_m) & (truth < max_m)
    d, p = truth[counted].double().cpu(), predicted[counted].double().cpu()
    if d.numel() == 0:
        return None
    if median_scaled:
        p = p * (np.median(d.numpy()) / np.median(p.numpy()))
    p = p.clamp(min_m, max_m)
    difference = d - p
    ratio = torch.maximum(d / p, p / d)
    shares = [(ratio < 1.25**k).double().mean().item() for k in (1, 2, 3)]
    return DistanceErrors(
        abs_rel=(difference.abs() / d).mean().item(),
        sq_rel=(difference.square() / d).mean().item(),
        rmse=difference.square().mean().sqrt().item(),
        rmse_log=(d.log() - p.log()).square().mean().sqrt().item(),
        delta_1=shares[0],
        delta_2=shares[1],
        delta_3=shares[2],
        num_pixels=d.numel(),
    )
