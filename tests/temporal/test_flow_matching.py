"""Lookups of maps by velocity, and the score of what is found: hand numbers and twins."""

import pytest
import torch

from mim4d.temporal.flow_matching import (
    Found,
    SourceMaps,
    at_flow,
    box_mean,
    compressed,
    in_place,
    uniform,
)
from tests.reference.scene_flow import found_loops


def some_maps(seed, b=2, s=3, c=4, y=6, x=7):
    valid = (torch.rand(b, s, y, x, generator=seed) > 0.2).float()
    values = torch.randn(b, s, c, y, x, generator=seed) * valid.unsqueeze(2)
    return SourceMaps(values, valid, torch.rand(b, s, generator=seed) * 2 - 1)


def fields(found):
    return found.joint, found.energy, found.count


def test_lookup_at_flow_equals_loops(seed):
    maps = some_maps(seed)
    flow = torch.randn(2, 2, 2, 6, 7, generator=seed) * 3
    found = at_flow(maps, flow)
    for i in range(2):
        for q in range(2):
            twin = found_loops(maps.values[i], maps.valid[i], maps.dt_s[i], flow[i, q])
            for ours, theirs in zip(fields(found), twin, strict=True):
                torch.testing.assert_close(ours[i, q], theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_lattice_of_velocities_equals_lookups_one_by_one(seed, stride):
    maps = some_maps(seed)
    speeds = torch.tensor([-2.5, 0.0, 1.0])
    found = uniform(maps, speeds, stride)
    for row, v_y in enumerate(speeds):
        for column, v_x in enumerate(speeds):
            flow = torch.stack([v_x, v_y]).view(1, 1, 2, 1, 1).expand(2, 1, 2, 6, 7)
            alone = at_flow(maps, flow)
            for name in ("joint", "count"):
                torch.testing.assert_close(
                    getattr(found, name)[:, row, column],
                    getattr(alone, name)[:, 0, ::stride, ::stride],
                    atol=1e-4,
                    rtol=1e-4,
                )
            # Interpolated energy is never less than the energy of what is interpolated.
            more = found.energy[:, row, column] - alone.energy[:, 0, ::stride, ::stride]
            assert more.min() > -1e-4
    torch.testing.assert_close(
        found.energy[:, 1, 1], in_place(maps).energy[:, ::stride, ::stride], atol=1e-5, rtol=1e-5
    )


def test_scores_by_hand():
    # Same and strong; nothing; one source only; opposite.
    first = torch.tensor([2.0, 0.0, 2.0, 2.0]).view(1, 1, 1, 1, 4)
    second = torch.tensor([2.0, 0.0, 0.0, -2.0]).view(1, 1, 1, 1, 4)
    maps = SourceMaps(torch.cat([first, second], dim=1), torch.ones(1, 2, 1, 4), torch.ones(1, 2))
    score = in_place(maps).score(torch.tensor([1e-6]), penalty=0.5)
    expected = torch.tensor([1.0, 0.0, -0.5, -2.0])
    torch.testing.assert_close(score[0, 0], expected, atol=1e-5, rtol=0)
    # A floor as high as the energy halves the score.
    half = in_place(maps).score(torch.tensor([8.0]), penalty=0.5)
    assert half[0, 0, 0].item() == pytest.approx(0.5)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_perfect_agreement_of_any_number_of_sources_is_one(count):
    maps = SourceMaps(
        torch.ones(1, count, 3, 2, 2), torch.ones(1, count, 2, 2), torch.ones(1, count)
    )
    score = in_place(maps).score(torch.tensor([1e-6]), penalty=0.4)
    torch.testing.assert_close(score, torch.ones_like(score), atol=1e-5, rtol=0)


def test_one_source_agrees_with_nobody():
    one = torch.ones(1, 1, 1)
    assert Found(4 * one, 4 * one, one).agreement.item() == 0


def test_box_mean_at_the_border():
    values = torch.tensor([[1.0, 2.0, 6.0]])
    assert box_mean(values, 3).tolist() == [[1.5, 3.0, 4.0]]


def test_compression_does_not_depend_on_scale_and_keeps_directions(seed):
    values = torch.randn(1, 2, 3, 4, 4, generator=seed)
    values[0, 0, :, 0, 0] *= 50
    valid = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    result = compressed(values, valid)
    torch.testing.assert_close(compressed(1000 * values, valid), result, atol=1e-5, rtol=1e-5)
    assert result.norm(dim=2).max() < 1
    cosine = torch.nn.functional.cosine_similarity(result, values, dim=2)
    torch.testing.assert_close(cosine, torch.ones_like(cosine))
    assert compressed(torch.zeros_like(values), valid).abs().max() == 0
