"""Encoders of small sizes with the configurations they belong to."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mim4d.build.trunk import build_image_encoder, build_video_encoder
from mim4d.config import PretrainConfig
from mim4d.config.encoder import EncoderConfig
from mim4d.config.presets import preset
from mim4d.exchange.export.exported import Exported
from mim4d.models.encoder.masked_encoder import MaskedEncoder
from mim4d.models.video_encoder import VideoEncoder
from tests.models.encoder.encoders import DEPTHS, WIDTHS, perturb


def small(name: str, **options: Any) -> EncoderConfig:
    """Small stages, where a family has a choice."""
    if "efficientnet" not in name:
        options = {"depths": DEPTHS, "widths": WIDTHS} | options
    return EncoderConfig(name=name, **options)


def image_encoder(config: EncoderConfig) -> MaskedEncoder:
    torch.manual_seed(0)
    return perturb(build_image_encoder(config)).eval()


def video_encoder(config: EncoderConfig, **lift: Any) -> tuple[VideoEncoder, PretrainConfig]:
    """A whole encoder of the preset `toy` around an image encoder."""
    toy = preset("toy")
    run = replace(toy, encoder=config, lift=replace(toy.lift, **lift))
    torch.manual_seed(0)
    encoder = build_video_encoder(run)
    perturb(encoder.image_encoder)
    with torch.no_grad():
        for part in (encoder.neck, encoder.depth_head):
            for parameter in part.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return encoder.eval(), run


def pictures(encoder: MaskedEncoder) -> tuple[Tensor, Tensor]:
    """Colours in [0, 1], and what other frameworks want of them."""
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    return images, (images - encoder.mean) / encoder.std


def behind_norms(exported: Exported, maps: dict[int, Tensor]) -> list[Tensor]:
    """Maps by stage, behind the norms of the second file, as a user would apply them."""
    normed = []
    for stage in sorted(maps):
        weight, bias = (exported.output_norms[f"norm{stage}.{w}"] for w in ("weight", "bias"))
        last = maps[stage].movedim(1, -1)
        normed.append(nn.functional.layer_norm(last, weight.shape, weight, bias, 1e-6))
    return [maps.movedim(-1, 1) for maps in normed]


def run_lines(lines: str) -> dict[str, Any]:
    """What the lines of a card define."""
    names: dict[str, Any] = {}
    exec(lines, names)
    return names


def assert_same(actual: list[Tensor], expected: list[Tensor]) -> None:
    """To the rounding of the same layers in another order of memory."""
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=5e-5)
