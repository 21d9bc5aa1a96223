"""PSNR and SSIM: hand numbers, torchmetrics, and a loop over windows."""

import math

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from mim4d.metrics.image import psnr, ssim
from tests.reference import ssim as reference

ALL = torch.ones(2, 15, 18, dtype=torch.bool)


def pictures(seed: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two smooth pictures, and noisy ones that resemble them."""
    rows, columns = torch.linspace(0, 3, 15).view(15, 1, 1), torch.linspace(0, 4, 18).view(18, 1)
    truth = 0.5 + 0.4 * torch.sin(rows + columns + torch.arange(3.0)).expand(2, -1, -1, -1)
    return (truth + 0.1 * torch.randn(truth.shape, generator=seed)).clamp(0, 1), truth


def test_psnr_by_hand() -> None:
    truth = torch.zeros(2, 15, 18, 3)
    predicted = torch.zeros(2, 15, 18, 3)
    predicted[0, 3] = 0.1  # a row of 15 is off by 0.1: mean square 0.01 / 15
    found = psnr(predicted, truth, ALL)
    assert found[0] == pytest.approx(10 * math.log10(15 / 0.01))
    assert found[1] == 100.0  # no error at all


def test_what_is_not_valid_does_not_count(seed: torch.Generator) -> None:
    predicted, truth = pictures(seed)
    valid = ALL.clone()
    valid[0, :, 16:] = False
    valid[1] = False
    spoilt = torch.where(valid.unsqueeze(-1), predicted, torch.nan)
    for measure in (psnr, ssim):
        found, expected = measure(spoilt, truth, valid), measure(predicted, truth, valid)
        cut = measure(predicted[:, :, :16], truth[:, :, :16], ALL[:, :, :16])
        torch.testing.assert_close(found[0], cut[0])
        torch.testing.assert_close(expected[0], cut[0])
        assert found[1].isnan()


def test_psnr_equals_torchmetrics(seed: torch.Generator) -> None:
    predicted, truth = pictures(seed)
    x, y = predicted.movedim(-1, 1), truth.movedim(-1, 1)
    torch.testing.assert_close(
        psnr(predicted, truth, ALL).float(),
        peak_signal_noise_ratio(x, y, data_range=1.0, reduction="none", dim=(1, 2, 3)),
    )


def test_ssim_equals_a_loop_over_windows(seed: torch.Generator) -> None:
    predicted, truth = pictures(seed)
    valid = ALL.clone()
    valid[0, 2, 3] = False
    found = ssim(predicted, truth, valid)
    for i in range(2):
        ours, true = (image[i].double().numpy() for image in (predicted, truth))
        assert found[i].item() == pytest.approx(
            reference.ssim(ours, true, valid[i].numpy()), abs=1e-9
        )
    assert ssim(truth, truth, valid).tolist() == pytest.approx([1.0, 1.0])


def test_an_image_smaller_than_a_window_has_no_ssim() -> None:
    small = torch.zeros(2, 10, 30, 3)
    assert ssim(small, small, torch.ones(2, 10, 30, dtype=torch.bool)).isnan().all()
