"""Several dropped frames, and none: what is rebuilt from what, and what counts."""

from dataclasses import replace

import pytest
import torch

from mim4d.config import LossConfig, MaskConfig
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.model import MaskedVideoModel
from tests.toy import toy_clip, toy_config, toy_draw, toy_model, toy_objective

LOSS = LossConfig(relative_distance_weight=1.0, eikonal_weight=0.1, depth_weight=0.1)


def _model(frames: int, mask: MaskConfig) -> MaskedVideoModel:
    return toy_model(replace(toy_config(frames), mask=mask))


def _disturbed(clip: Clip, frame: int) -> Clip:
    images = clip.images.clone()
    images[:, frame] = 255 - images[:, frame]
    return replace(clip, images=images)


@pytest.mark.parametrize("together", [True, False])
def test_several_dropped_frames_in_a_batch(together: bool) -> None:
    model = _model(4, MaskConfig(dropped_frame="key", num_dropped=2, dropped_together=together))
    clip = collate([toy_clip(i, frames=4) for i in range(3)])
    choices, targets = toy_draw(model, clip)
    assert choices.dropped.shape == (3, 2)
    assert (choices.dropped[:, 0] == clip.key).all()
    reconstruction = model(clip, choices)
    assert reconstruction.predicted is not None
    assert len(reconstruction.predicted.colours) == 6
    assert torch.equal(reconstruction.predicted_frames, choices.dropped)
    # Clip 2's second dropped frame is entry 2 · 2 + 1.
    frame = 2 * 4 + int(choices.dropped[2, 1])
    directions = reconstruction.predicted_rays.directions[5]
    assert torch.equal(directions, choices.rays.directions[frame])
    losses = toy_objective(model, LOSS)(reconstruction, targets, clip)
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])


@pytest.mark.parametrize(("together", "independent"), [(True, True), (False, False)])
def test_frames_dropped_together_do_not_see_each_other(together: bool, independent: bool) -> None:
    model = _model(
        4, MaskConfig(dropped_frame="any", num_dropped=2, dropped_together=together)
    ).eval()
    clip = toy_clip(1, frames=4)
    dropped = torch.tensor([[1, 3]])
    plain, other = (
        model.rebuild(model.encoder.encode(c), c, dropped).volume
        for c in (clip, _disturbed(clip, 3))
    )
    assert torch.equal(plain[0], other[0]) == independent
    assert torch.equal(plain[1], other[1])


def test_several_rebuilt_frames_are_those_rebuilt_one_by_one() -> None:
    model = _model(4, MaskConfig(dropped_frame="any", num_dropped=2, dropped_together=False)).eval()
    clip = collate([toy_clip(i, frames=4) for i in (1, 2)])
    encoded = model.encoder.encode(clip)
    dropped = torch.tensor([[2, 0], [1, 3]])
    both = model.rebuild(encoded, clip, dropped).volume.unflatten(0, (2, 2))
    for place in range(2):
        alone = model.rebuild(encoded, clip, dropped[:, place : place + 1]).volume
        torch.testing.assert_close(both[:, place], alone, rtol=1e-4, atol=1e-5)


def test_single_frames_have_direct_losses_alone() -> None:
    config = replace(toy_config(3), clip=replace(toy_config(3).clip, frames=1, key=0))
    model = toy_model(config)
    assert model.decoder is None
    clip = toy_clip(2, frames=1)
    choices, targets = toy_draw(model, clip)
    assert choices.dropped.shape == (1, 0)
    reconstruction = model(clip, choices)
    assert reconstruction.predicted is None
    losses = toy_objective(model, LOSS)(reconstruction, targets, clip)
    assert not any(name.startswith("predicted") for name in losses)
    assert losses["colour"] > 0
    expected = (
        10 * losses["colour"]
        + 0.195 * losses["distance"]
        + losses["relative_distance"]
        + 0.1 * losses["eikonal"]
        + 0.1 * losses["depth"]
    )
    torch.testing.assert_close(losses["loss"], expected)
    with pytest.raises(ValueError, match="without dropped frames"):
        model.rebuild(model.encoder.encode(clip), clip, torch.tensor([[0]]))


def test_a_clip_of_which_one_frame_exists_counts_for_direct_only() -> None:
    """And once: the released code counts its direct losses twice."""
    model = _model(3, MaskConfig(dropped_frame="key"))
    clip = _with_frames(toy_clip(4), [1])
    choices, targets = toy_draw(model, clip)
    assert choices.rays.valid[1].any()
    reconstruction = model(clip, choices)
    assert not reconstruction.predicted_rays.valid.any()
    losses = toy_objective(model, LOSS)(reconstruction, targets, clip)
    assert losses["predicted_colour"] == losses["predicted_distance"] == 0
    losses["loss"].backward()
    assert model.decoder is not None
    assert all(p.grad is None or not p.grad.any() for p in model.decoder.parameters())
    direct = 10 * losses["colour"] + 0.195 * losses["distance"] + losses["relative_distance"]
    rest = 0.1 * losses["eikonal"] + 0.1 * losses["depth"]
    torch.testing.assert_close(losses["loss"], direct + rest)


def test_a_dropped_frame_that_does_not_exist_gives_nothing() -> None:
    model = _model(3, MaskConfig(dropped_frame="key"))
    clip = _with_frames(toy_clip(5), [0, 2])
    reconstruction = model(clip, toy_draw(model, clip)[0])
    assert not reconstruction.predicted_rays.valid.any()
    assert not reconstruction.predicted.colours.any()


def test_frames_dropped_together_may_leave_no_existing_source() -> None:
    """Frames 0 and 1 exist; both are dropped, or each is the other's source."""
    for together in (True, False):
        mask = MaskConfig(dropped_frame="any", num_dropped=2, dropped_together=together)
        model = _model(3, mask)
        clip = _with_frames(toy_clip(6), [0, 1])
        choices = replace(toy_draw(model, clip)[0], dropped=torch.tensor([[0, 1]]))
        valid = model(clip, choices).predicted_rays.valid
        assert valid.any(dim=1).tolist() == [not together] * 2


def _with_frames(clip: Clip, existing: list[int]) -> Clip:
    present = torch.zeros_like(clip.frame_present)
    present[:, existing] = True
    return replace(
        clip,
        frame_present=present,
        image_present=clip.image_present & present.unsqueeze(2),
        valid_points=clip.valid_points & present.unsqueeze(2),
    )


def test_only_the_dropped_frames_own_volumes_may_be_rendered() -> None:
    config = toy_config()
    render = replace(config.render, direct_frames="dropped")
    mask = replace(config.mask, dropped_frame="key", num_dropped=2, dropped_together=False)
    models = [toy_model(replace(config, mask=mask, render=r)) for r in (config.render, render)]
    clip = collate([toy_clip(1), toy_clip(2)])
    choices, _ = toy_draw(models[0], clip, seed=3)
    every, few = (model.eval()(clip, choices) for model in models)
    assert len(every.direct.distances) == 6
    assert len(few.direct.distances) == 4
    frames = (torch.tensor([[0], [3]]) + choices.dropped).flatten()
    torch.testing.assert_close(few.direct.distances, every.direct.distances[frames])
    assert torch.equal(few.direct_rays.directions, choices.rays.directions[frames])
    assert torch.equal(few.direct_frames, choices.dropped)
    assert few.predicted is not None
    torch.testing.assert_close(few.predicted.distances, every.predicted.distances)
