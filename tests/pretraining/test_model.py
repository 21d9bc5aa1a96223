"""The whole model: batches, cameras, frames, gradients, and what may depend on what."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.config import LossConfig
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.records import Reconstruction, StepChoices
from mim4d.tensors.records import join, take
from tests.toy import random_levels, toy_clip, toy_config, toy_draw, toy_model, toy_objective

LOSS = LossConfig(relative_distance_weight=1.0, eikonal_weight=0.1, depth_weight=0.1)


def _choices(model: MaskedVideoModel, clip: Clip, seed: int) -> StepChoices:
    return toy_draw(model, clip, seed)[0]


def _outputs(reconstruction: Reconstruction) -> list[Tensor]:
    assert reconstruction.predicted is not None
    return [
        reconstruction.direct.colours,
        reconstruction.direct.distances,
        reconstruction.predicted.colours,
        reconstruction.predicted.distances,
    ]


@pytest.mark.parametrize(("batch", "frames", "cameras"), [(1, 2, 2), (1, 5, 6), (4, 3, 3)])
def test_any_batch_frames_cameras(batch: int, frames: int, cameras: int) -> None:
    config = toy_config(frames)
    model = toy_model(config)
    clip = collate([toy_clip(i, frames, cameras) for i in range(batch)])
    choices, targets = toy_draw(model, clip, seed=1)
    losses = toy_objective(model, LOSS)(model(clip, choices), targets, clip)
    losses["loss"].backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["distance"] > 0


def test_a_batch_of_two_equals_two_batches_of_one() -> None:
    model = toy_model(toy_config())
    clips = [toy_clip(seed) for seed in (1, 2)]
    choices = [_choices(model, clip, seed) for seed, clip in enumerate(clips)]
    alone = [_outputs(model(clip, c)) for clip, c in zip(clips, choices, strict=True)]
    together = _outputs(model(collate(clips), join(choices)))
    for joint, first, second in zip(together, *alone, strict=True):
        # Batched products sum in another order than single ones; the rest is float32 rounding.
        torch.testing.assert_close(joint, torch.cat([first, second]), rtol=1e-4, atol=1e-4)


def test_levels_in_any_memory_order_train_as_colours_would() -> None:
    model = toy_model(toy_config()).eval()
    clip = toy_clip(3)
    last = clip.images.movedim(3, -1).contiguous().movedim(-1, 3)
    assert last.stride() != clip.images.stride()
    clips = (clip, replace(clip, images=last))
    drawn = [toy_draw(model, c) for c in clips]
    targets = drawn[0][1].rays  # of one clip, by frame
    u, v = targets.pixels.floor().long().unbind(dim=-1)
    frames = torch.arange(clip.num_frames).unsqueeze(1)
    colours = (clip.images.float() / 255)[0, frames, targets.camera_index, :, v, u]
    assert torch.equal(targets.colours, colours)
    one, other = (
        toy_objective(model, LOSS)(model(c, choices), measured, c)
        for c, (choices, measured) in zip(clips, drawn, strict=True)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_permuting_cameras_changes_no_volume() -> None:
    model = toy_model(toy_config()).eval()
    clip = toy_clip(3)
    order = torch.tensor([2, 0, 1])
    per_camera = ("images", "image_sizes", "image_present", "intrinsics", "ref_from_camera")
    permuted = replace(clip, **{name: getattr(clip, name)[:, :, order] for name in per_camera})
    torch.testing.assert_close(model.encoder(clip), model.encoder(permuted), rtol=1e-5, atol=1e-5)


def test_hidden_pixels_change_nothing_but_their_own_targets() -> None:
    model = toy_model(toy_config()).eval()
    clip = toy_clip(4)
    choices = _choices(model, clip, seed=0)
    hidden = ~choices.visible.repeat_interleave(32, -1).repeat_interleave(32, -2)
    noise = random_levels(clip.images.shape, torch.Generator().manual_seed(9))
    disturbed = replace(clip, images=torch.where(hidden.unsqueeze(3), noise, clip.images))
    assert not torch.equal(disturbed.images, clip.images)
    assert torch.equal(
        model.encoder(clip, choices.visible), model.encoder(disturbed, choices.visible)
    )


def test_the_dropped_frame_is_rebuilt_without_its_own_images() -> None:
    model = toy_model(toy_config()).eval()
    clip = toy_clip(5)
    images = clip.images.clone()
    images[:, 1] = 0
    dropped = torch.tensor([[1]])
    encoded = [model.encoder.encode(c) for c in (clip, replace(clip, images=images))]
    assert not torch.equal(encoded[0].volumes, encoded[1].volumes)
    rebuilt = [model.rebuild(e, clip, dropped).volume for e in encoded]
    assert torch.equal(*rebuilt)


def test_no_mask_and_no_truth_leaks_into_the_forward_pass() -> None:
    """LiDAR and boxes are targets only: without them the renderings are the same."""
    model = toy_model(toy_config()).eval()
    clip = toy_clip(6)
    choices = _choices(model, clip, seed=0)
    blind = replace(clip, points_ref=torch.zeros_like(clip.points_ref))
    for a, b in zip(_outputs(model(clip, choices)), _outputs(model(blind, choices)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("with_light", [False, True])
def test_depth_is_taught_by_its_own_loss_alone_where_rendering_does_not(with_light: bool) -> None:
    config = toy_config()
    config = replace(config, lift=replace(config.lift, light=with_light))
    own_loss = replace(LOSS, depth_weight=0.0), LOSS
    gradients, losses = {}, {}
    for teaches in (True, False):
        loss = replace(config.loss, depth_weight=1.0, rendering_teaches_depth=teaches)
        model = toy_model(replace(config, loss=loss))
        clip = toy_clip(4)
        choices, targets = toy_draw(model, clip)
        for weights in own_loss:
            model.zero_grad()
            values = toy_objective(model, weights)(model(clip, choices), targets, clip)
            values["loss"].backward()
            key = teaches, weights.depth_weight > 0
            losses[key] = values["loss"].detach()
            gradients[key] = {
                name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
                for name, p in model.named_parameters()
            }
    assert all(torch.equal(losses[True, own], losses[False, own]) for own in (True, False))
    # Of the layers that make distributions, the last alone has gradients at first: it starts at 0.
    of_head = [name for name in gradients[True, True] if "depth_net" in name]
    last = "encoder.depth_head.depth_net.2.weight"
    assert last in of_head
    assert gradients[False, True][last].any()
    assert gradients[True, False][last].any()
    assert not any(gradients[False, False][name].any() for name in of_head)
    assert gradients[False, False]["encoder.depth_head.projection.weight"].any()


def test_choices_are_a_function_of_the_generator_alone() -> None:
    model = toy_model(toy_config())
    clip = toy_clip(8)
    first, same, other = (_choices(model, clip, seed) for seed in (3, 3, 4))
    assert torch.equal(first.rays.directions, same.rays.directions)
    assert torch.equal(first.visible, same.visible)
    assert not torch.equal(first.rays.directions, other.rays.directions)


def test_absent_images_and_frames_are_harmless() -> None:
    model = toy_model(toy_config(frames=4))
    clip = toy_clip(9, frames=4)
    present = clip.image_present.clone()
    present[:, 0] = False
    present[:, 2, 1] = False
    frames = clip.frame_present.clone()
    frames[:, 0] = False
    clip = replace(clip, image_present=present, frame_present=frames)
    choices, targets = toy_draw(model, clip)
    assert choices.rays.valid.unflatten(0, (1, 4))[:, 0].sum() == 0
    reconstruction = model(clip, choices)
    losses = toy_objective(model, LOSS)(reconstruction, targets, clip)
    assert torch.isfinite(losses["loss"])


def test_without_lidar_no_ray_has_a_distance() -> None:
    config = toy_config()
    config = replace(
        config,
        render=replace(config.render, use_lidar=False),
        loss=replace(config.loss, distance_weight=0.0),
    )
    model = toy_model(config)
    choices, targets = toy_draw(model, toy_clip(10))
    assert not targets.rays.valid_distances.any()
    assert not targets.cells.valid.any()
    assert choices.rays.valid.any()


def test_take_picks_rays_of_one_frame() -> None:
    model = toy_model(toy_config())
    clip = toy_clip(11)
    choices = _choices(model, clip, seed=0)
    picked = take(choices.rays, torch.tensor([2]))
    assert torch.equal(picked.origins[0], choices.rays.origins[2])


def test_the_car_itself_gets_no_rays_and_no_depth_but_stays_visible() -> None:
    model = toy_model(toy_config())
    clip = collate([toy_clip(1), toy_clip(2)])
    on_body = torch.zeros(2, 3, 64, 96, dtype=torch.bool)
    on_body[1, 0, 32:] = True
    masked = replace(clip, on_body=on_body)
    (choices, targets), (free, all_targets) = (toy_draw(model, c, seed=4) for c in (masked, clip))
    u, v = targets.rays.pixels.floor().long().unbind(-1)
    b = torch.arange(2).repeat_interleave(3)[:, None].expand_as(u)
    assert not on_body[b, targets.rays.camera_index, v, u].any()
    assert choices.rays.valid.any(dim=-1).all()
    # Cells of 8 pixels; the lower half of one camera of the second clip.
    assert not targets.cells.valid[1, :, 0, 4:].any()
    assert all_targets.cells.valid[1, :, 0, 4:].any()
    assert torch.equal(targets.cells.valid[0], all_targets.cells.valid[0])
    assert torch.equal(choices.visible, free.visible)
