"""Hidden patches: which pixels count, and that the model does not see them."""

import math
from dataclasses import replace

import pytest
import torch

from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.masked import MaskedScoring, hidden_rays
from mim4d.evaluation.truth import FrameTruth
from tests.toy import toy_clip, toy_config, toy_model


def test_rays_through_hidden_patches() -> None:
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=8)
    visible = torch.ones(3, 2, 3, dtype=torch.bool)
    visible[1, 0, 2] = False  # rows 0 to 31, columns 64 to 95
    hidden = hidden_rays(visible, 32, clip, view)
    expected = torch.zeros(3, 8, 12, dtype=torch.bool)
    expected[1, :4, 8:] = True
    assert torch.equal(hidden, expected)


@pytest.mark.parametrize("ratio", [0.5, 0.0])
def test_only_hidden_pixels_count_and_nothing_depends_on_what_they_show(ratio: float) -> None:
    config = toy_config(frames=1)
    clip, view = toy_clip(0, frames=1), EvaluatedView.of(config, stride=8)
    model = toy_model(replace(config, mask=replace(config.mask, ratio=ratio))).eval()
    d = torch.full((3, 8, 12), 6.0)
    d[:, 0] = math.nan
    no, shown = torch.zeros_like(d, dtype=torch.bool), torch.ones_like(d, dtype=torch.bool)
    truth = FrameTruth(d, no, no, torch.zeros(3, 8, 12, 3), shown, None)
    scoring = MaskedScoring(model.masking, view)
    constants = {"pixel_median": torch.full((3, 8, 12), 12.0), "flat_ground": d}
    scoring.add({"direct": model}, constants, clip, truth)
    found = scoring.result()
    if ratio == 0:
        assert found is None
        return
    assert found is not None
    assert set(found.rows) == {"pixel_median", "depth_head", "direct"}
    counts = {row.errors.num_pixels for row in found.rows.values()}
    assert counts.issubset(range(3 * 3 * 12, 3 * 3 * 16 + 1))  # 3 of 6 patches, one row unknown
    assert len(counts) == 1
    assert found.rows["pixel_median"].abs_rel == pytest.approx(1.0)
    hidden = ~model.masking.draw(clip.images.shape, _generator(clip.key_tokens[0]))
    other = clip.images.clone()
    patches = hidden.repeat_interleave(32, -2).repeat_interleave(32, -1).unsqueeze(3)
    other = torch.where(patches, 255 - other, other)
    again = MaskedScoring(model.masking, view)
    again.add({"direct": model}, constants, replace(clip, images=other), truth)
    assert again.result() == found


def _generator(token: str) -> torch.Generator:
    import zlib

    return torch.Generator().manual_seed(zlib.crc32(token.encode()))
