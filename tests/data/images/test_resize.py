"""Parts of resized images against Pillow, which resizes with sub-pixel boxes but more slowly."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mim4d.data.images import resize
from mim4d.data.images.resize import Span, resize_part


def test_span_by_hand() -> None:
    # 900 stored, decoded at a half (450), 396 wanted of the whole: 22 pixels per 25 decoded ones.
    # Row 140 begins at 159.1 decoded; 3 rows of support less is 156, the corner before is 150.
    assert Span.of(900, 396, 2, 140, 256) == Span(150, 450, 396 / 450, 140 - 132, 256)
    # The first 100 rows end at 113.6 decoded.
    assert Span.of(900, 396, 2, 0, 100) == Span(0, 117, 396 / 450, 0, 100)
    # An odd size has no common corner but the first; 101 at a half is decoded as 51.
    assert Span.of(101, 50, 2, 30, 20) == Span(0, 51, 50 / 50.5, 30, 20)
    # Corners 2:1 everywhere.
    assert Span.of(64, 32, 1, 10, 5) == Span(16, 33, 0.5, 2, 5)


# As many decoded pixels are needed as resized ones are made, which torch takes for nothing to do.
AS_LONG = [(40, 45, 5, 20), (100, 112, 3, 22), (22, 23, 0, 22), (50, 100, 0, 4)]


@pytest.mark.parametrize("reduction", [1, 2])
@pytest.mark.parametrize(
    ("stored", "scaled", "crop", "length"),
    [
        (90, 40, 14, 26),
        (90, 40, 0, 40),
        (90, 41, 15, 20),
        (91, 40, 14, 26),
        (60, 75, 30, 40),
    ],
)
def test_a_part_is_what_pillow_makes_of_the_same_box(
    reduction: int, stored: int, scaled: int, crop: int, length: int
) -> None:
    difference = _difference_from_pillow(stored, scaled, reduction, crop, length)
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 0.05


@pytest.mark.parametrize(("stored", "scaled", "crop", "length"), AS_LONG)
def test_an_enlarged_part_may_be_as_long_as_what_it_is_made_of(
    stored: int, scaled: int, crop: int, length: int
) -> None:
    span = Span.of(stored, scaled, 1, crop, length)
    assert span.skipped + span.length == span.last - span.first
    assert _difference_from_pillow(stored, scaled, 1, crop, length).abs().max() <= 2


def _difference_from_pillow(
    stored: int, scaled: int, reduction: int, crop: int, length: int
) -> Tensor:
    decoded = -(-stored // reduction)
    generator = np.random.default_rng(stored + scaled)
    pixels = generator.integers(0, 256, (decoded, decoded, 3), dtype=np.uint8)
    span = Span.of(stored, scaled, reduction, crop, length)
    needed = torch.from_numpy(pixels)[span.first : span.last, span.first : span.last].contiguous()
    part = resize_part(needed, span, span)
    # Pillow's box is float32: the tolerance is one level where it rounds the other way.
    low, high = (crop * stored / scaled / reduction, (crop + length) * stored / scaled / reduction)
    box = (low, low, high, high)
    expected = Image.fromarray(pixels).resize((length, length), Image.Resampling.BILINEAR, box)
    return part.permute(1, 2, 0).int() - torch.from_numpy(np.array(expected)).int()


def test_nothing_to_resize_is_a_view() -> None:
    levels = torch.arange(48, dtype=torch.uint8).view(4, 4, 3)
    rows, columns = Span.of(4, 4, 1, 1, 2), Span.of(4, 4, 1, 0, 4)
    part = resize_part(levels[rows.first : rows.last], rows, columns)
    assert torch.equal(part, levels[1:3].permute(2, 0, 1))
    assert part.data_ptr() == levels[1].data_ptr()


def test_without_the_private_function_the_pixels_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(0)
    cases = []
    for _ in range(60):
        stored, scaled = (int(n) for n in draw.integers(20, 200, 2))
        crop = int(draw.integers(0, scaled))
        length = int(draw.integers(1, scaled - crop + 1))
        cases.append(Span.of(stored, scaled, int(draw.choice([1, 2, 4])), crop, length))
    cases += [Span.of(stored, scaled, 1, crop, length) for stored, scaled, crop, length in AS_LONG]
    levels = [
        torch.from_numpy(draw.integers(0, 256, (s.last - s.first,) * 2 + (3,), dtype=np.uint8))
        for s in cases
    ]
    expected = [resize_part(image, s, s) for image, s in zip(levels, cases, strict=True)]
    assert resize._UPSAMPLE is not None
    monkeypatch.setattr(resize, "_UPSAMPLE", None)
    for image, span, part in zip(levels, cases, expected, strict=True):
        assert torch.equal(resize_part(image, span, span), part)
