"""Errors of predicted distances (or depths): by pixel, by image, and over images.

Truth d and prediction p in metres. A pixel counts where it is valid and d is finite and lies
strictly between the limits. Median-scaled, p is first multiplied by median(d) / median(p) over the
counted pixels of its image; then, in either case, p is clamped to the limits. Over counted pixels:
abs_rel = mean |d − p| / d; sq_rel = mean (d − p)² / d; rmse = √ mean (d − p)²;
rmse_log = √ mean (ln d − ln p)²; log_bias = mean (ln p − ln d), below zero where predictions are
short; δ_k = share with max(d / p, p / d) strictly below 1.25^k.
The definitions are those that monocular depth papers share (Eigen et al., arXiv 1406.2283).
Sums are kept per image, so that a data set is measured exactly in one pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Float64
from torch import Tensor

MEASURES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log_bias", "delta_1", "delta_2", "delta_3")


@dataclass(frozen=True)
class DistanceErrors:
    """Errors over the counted pixels of one image or of many."""

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log_bias: float
    delta_1: float
    delta_2: float
    delta_3: float
    num_pixels: int


@dataclass(frozen=True)
class PixelErrors:
    """What each pixel of `m` images adds to the sums.

    Attributes:
        terms: |d − p| / d, (d − p)² / d, (d − p)², (ln p − ln d)², ln p − ln d, and 0 or 1 for each
            δ; 0 where the pixel does not count.
        counted: Whether it counts.
        scales: What the prediction of each image was multiplied by; NaN where no pixel counts.
    """

    terms: Float64[Tensor, "m p 8"]
    counted: Bool[Tensor, "m p"]
    scales: Float64[Tensor, " m"]

    def sums(self, subset: Bool[Tensor, "m ..."] | None = None) -> Float64[Tensor, "m 9"]:
        """Per image: the sum of each term over counted pixels (of a subset), and their number."""
        chosen = self.counted if subset is None else self.counted & subset.flatten(1)
        weights = chosen.double()
        sums = einsum(self.terms, weights, "m p k, m p -> m k")
        return torch.cat([sums, weights.sum(dim=1, keepdim=True)], dim=1)


def pixel_errors(
    predicted: Float[Tensor, "m ..."],
    truth: Float[Tensor, "m ..."],
    valid: Bool[Tensor, "m ..."],
    min_m: float = 0.1,
    max_m: float = 80.0,
    median_scaled: bool = False,
) -> PixelErrors:
    """Compare the distances of `m` images pixel by pixel, in float64 on the CPU.

    Args:
        predicted: Metres; positive where it is to be scaled.
        truth: Metres; NaN, 0 or infinite where unknown.
        valid: Further restriction of the pixels that count.
        min_m: Lower limit, metres.
        max_m: Upper limit, metres.
        median_scaled: See the module's text.
    """
    d, p = (rearrange(each, "m ... -> m (...)").double().cpu() for each in (truth, predicted))
    within = torch.isfinite(d) & (d > min_m) & (d < max_m)
    counted = rearrange(valid, "m ... -> m (...)").cpu() & within
    scales = torch.stack([_scale(*each, median_scaled) for each in zip(d, p, counted, strict=True)])
    d = torch.where(counted, d, 1.0)
    scaled = (p * scales.unsqueeze(1)).clamp(min_m, max_m)
    p = torch.where(counted, scaled, 1.0)
    difference, ratio = d - p, torch.maximum(d / p, p / d)
    log_ratio = (p / d).log()
    terms = [
        difference.abs() / d,
        difference.square() / d,
        difference.square(),
        log_ratio.square(),
        log_ratio,
        *((ratio < 1.25**k).double() for k in (1, 2, 3)),
    ]
    return PixelErrors(torch.stack(terms, dim=-1) * counted.unsqueeze(-1), counted, scales)


def _scale(d: Tensor, p: Tensor, counted: Tensor, median_scaled: bool) -> Float64[Tensor, ""]:
    """What one image's prediction is multiplied by."""
    if not counted.any():
        return d.new_tensor(float("nan"))
    if not median_scaled:
        return d.new_tensor(1.0)
    # numpy's median is the mean of both middle values of an even number; torch's is the lower.
    medians = [np.median(each[counted].numpy()) for each in (d, p)]
    return d.new_tensor(medians[0] / medians[1])


def errors_of_sums(sums: Float64[Tensor, " k"]) -> DistanceErrors | None:
    """Errors over all pixels that went into the sums (see `PixelErrors.sums`); None if none did."""
    *totals, count = sums.tolist()
    if count == 0:
        return None
    means = [total / count for total in totals]
    means[2], means[3] = means[2] ** 0.5, means[3] ** 0.5
    return DistanceErrors(**dict(zip(MEASURES, means, strict=True)), num_pixels=int(count))


def distance_errors(
    predicted: Float[Tensor, "*p"],
    truth: Float[Tensor, "*p"],
    valid: Bool[Tensor, "*p"],
    min_m: float = 0.1,
    max_m: float = 80.0,
    median_scaled: bool = False,
) -> DistanceErrors | None:
    """Errors of one image; None where no pixel counts. See `pixel_errors`."""
    p, d, counts = predicted.unsqueeze(0), truth.unsqueeze(0), valid.unsqueeze(0)
    return errors_of_sums(pixel_errors(p, d, counts, min_m, max_m, median_scaled).sums()[0])


@dataclass(frozen=True)
class DistanceAggregates:
    """Errors over many images; an image without a counted pixel has no value and is left out.

    Attributes:
        over_pixels: All pixels of all images as one set: sums over sums, roots taken last.
        mean_over_images: Mean of the images' errors; every image weighs the same.
        mean_over_pixels_of_images: Mean of the images' errors, weighted by their pixels. Equal to
            `over_pixels` but for `rmse` and `rmse_log`, which are means of roots here.
        per_camera: Mean over the images of each camera.
        mean_over_cameras: Mean of these.
    """

    over_pixels: DistanceErrors
    mean_over_images: DistanceErrors
    mean_over_pixels_of_images: DistanceErrors
    per_camera: dict[str, DistanceErrors]
    mean_over_cameras: DistanceErrors


def aggregate(sums: Float64[Tensor, "m 9"], cameras: Sequence[str]) -> DistanceAggregates | None:
    """Errors over images; None if no pixel of any image counts.

    Args:
        sums: Of each image, see `PixelErrors.sums`.
        cameras: The camera of each image.
    """
    over_pixels = errors_of_sums(sums.sum(dim=0))
    if over_pixels is None:
        return None
    images: list[DistanceErrors] = []
    by_camera: dict[str, list[DistanceErrors]] = {}
    for row, camera in zip(sums, cameras, strict=True):
        if (errors := errors_of_sums(row)) is not None:
            images.append(errors)
            by_camera.setdefault(camera, []).append(errors)
    per_camera = {camera: _mean(each) for camera, each in sorted(by_camera.items())}
    return DistanceAggregates(
        over_pixels=over_pixels,
        mean_over_images=_mean(images),
        mean_over_pixels_of_images=_mean(images, lambda errors: errors.num_pixels),
        per_camera=per_camera,
        mean_over_cameras=_mean(list(per_camera.values())),
    )


def _mean(
    errors: Sequence[DistanceErrors], weight: Callable[[DistanceErrors], float] = lambda _: 1.0
) -> DistanceErrors:
    """Weighted mean of every error; the numbers of pixels add up."""
    values = np.array([[getattr(each, name) for name in MEASURES] for each in errors])
    means = np.average(values, axis=0, weights=[weight(each) for each in errors])
    pixels = sum(each.num_pixels for each in errors)
    return DistanceErrors(**dict(zip(MEASURES, means.tolist(), strict=True)), num_pixels=pixels)
