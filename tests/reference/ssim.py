"""SSIM of one image as the paper writes it: a loop over windows, weights and all (Wang 2004)."""

import math

import numpy as np


def ssim(x: np.ndarray, y: np.ndarray, valid: np.ndarray) -> float:
    """Mean over channels and windows of 11 × 11 that are wholly valid; NaN if there is none."""
    offsets = range(-5, 6)
    weights = np.array(
        [[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in offsets] for i in offsets]
    )
    weights /= weights.sum()
    height, width, channels = x.shape
    found = []
    for top in range(height - 10):
        for left in range(width - 10):
            rows, columns = slice(top, top + 11), slice(left, left + 11)
            if not valid[rows, columns].all():
                continue
            for c in range(channels):
                a, b = x[rows, columns, c], y[rows, columns, c]
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a = (weights * (a - mean_a) ** 2).sum()
                var_b = (weights * (b - mean_b) ** 2).sum()
                both = (weights * (a - mean_a) * (b - mean_b)).sum()
                c_1, c_2 = (0.01 * 1.0) ** 2, (0.03 * 1.0) ** 2
                found.append(
                    (2 * mean_a * mean_b + c_1)
                    * (2 * both + c_2)
                    / ((mean_a**2 + mean_b**2 + c_1) * (var_a + var_b + c_2))
                )
    return float(np.mean(found)) if found else math.nan
