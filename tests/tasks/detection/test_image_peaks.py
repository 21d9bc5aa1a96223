"""Boxes in the images: where bumps lie and how wide they are, what counts, what learns from it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config import TaskConfig
from mim4d.config.presets import task_preset
from mim4d.data.clip import Clip, collate
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.metrics.detection.rules import CLASSES
from mim4d.runs import loading
from mim4d.tasks.detection.detections import TrueBoxes
from mim4d.tasks.detection.image_peaks import image_loss, image_peaks
from mim4d.training.estimate import describe
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with

CAR, BUS = CLASSES.index("car"), CLASSES.index("bus")
SHAPE = (16, 24)
"""Cells of 4 pixels in images of 64 × 96."""


def looking_ahead() -> Clip:
    """The first camera looks along +x: at the origin, f = 50 px, middle (48, 32); others back."""
    clip = clip_with(Box(5.0, 3.0))
    ahead = torch.tensor([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    back = torch.diag(torch.tensor([-1.0, -1, 1, 1])) @ ahead
    poses = clip.ref_from_camera.clone()
    poses[0, 0] = back
    poses[0, 0, 0] = ahead
    intrinsics = torch.tensor([[50.0, 0, 48], [0, 50, 32], [0, 0, 1]])
    return replace(
        clip,
        ref_from_camera=poses,
        intrinsics=intrinsics.expand_as(clip.intrinsics).clone(),
        image_sizes=torch.tensor([64, 96]).expand_as(clip.image_sizes).clone(),
        image_present=torch.ones_like(clip.image_present),
    )


def boxes(*rows: list[float], kinds: list[int], learned: list[bool] | None = None) -> TrueBoxes:
    count = len(kinds)
    table = torch.tensor([[*row, 0.0, 0.0] for row in rows]).reshape(count, 9)
    known = torch.ones(count, dtype=torch.bool) if learned is None else torch.tensor(learned)
    many, none = torch.full((count,), 5), torch.full((count,), -1)
    return TrueBoxes(table, torch.tensor(kinds, dtype=torch.long), none, many, none, known, "token")


def test_a_bump_lies_where_the_centre_appears_and_is_as_wide_as_the_box() -> None:
    wide = [10.0, 0.0, 0.5, 2.0, 8.0, 1.0, 0.0]
    heat, counted = image_peaks(boxes(wide, kinds=[BUS]), looking_ahead(), 0, SHAPE)
    # (48, 32 − 50 · 0.5 / 10) pixels are column 12, row 7.
    assert heat.shape == (3, len(CLASSES), *SHAPE)
    assert heat[0, BUS].argmax() == 7 * 24 + 12
    assert heat[0, BUS, 7, 12] == 1
    # Its near face, at 9 m, spans 8 · 50 / 9 pixels: a sixth of it, in cells, is the deviation.
    sigma = 8 * 50 / 9 / 4 / 6
    assert heat[0, BUS, 7, 14] == pytest.approx(math.exp(-(2**2) / (2 * sigma**2)), abs=1e-5)
    assert heat[0, BUS, 9, 12] == pytest.approx(math.exp(-(2**2) / (2 * 0.7**2)), abs=1e-5)
    assert not heat[1:].any()  # behind the others
    assert not heat[0, CAR].any()
    assert counted.all()


def test_the_pixel_is_that_of_the_projection_in_every_camera() -> None:
    clip = clip_with(Box(5.0, 3.0))
    row = [6.0, 1.5, 0.5, 0.4, 0.4, 0.4, 0.3]
    heat, _ = image_peaks(boxes(row, kinds=[CAR]), clip, 0, SHAPE)
    found = 0
    for n in range(clip.num_cameras):
        point = transform_points(
            invert_rigid(clip.ref_from_camera[0, 0, n]), torch.tensor([row[:3]])
        )
        pixels, depth = project(clip.intrinsics[0, 0, n], point)
        column, line = (pixels[0] / 4).floor().long().tolist()
        inside = depth[0] > 0.1 and 0 <= column < SHAPE[1] and 0 <= line < SHAPE[0]
        assert bool((heat[n] == 1).any()) == inside
        if inside:
            assert heat[n, CAR, line, column] == 1
            found += 1
    assert found > 0


def test_what_cannot_be_seen_is_no_target() -> None:
    behind = [-10.0, 0.0, 0.5, 2.0, 2.0, 1.0, 0.0]
    aside = [10.0, 20.0, 0.5, 2.0, 2.0, 1.0, 0.0]
    heat, _ = image_peaks(boxes(behind, aside, kinds=[CAR, CAR]), looking_ahead(), 0, SHAPE)
    assert not heat[0].any()
    ahead = [10.0, 0.0, 0.5, 2.0, 2.0, 1.0, 0.0]
    clip = looking_ahead()
    padded = clip.image_sizes.clone()
    padded[0, 0, 0] = torch.tensor([64, 40])  # the picture ends left of the box
    narrow = replace(clip, image_sizes=padded)
    assert not image_peaks(boxes(ahead, kinds=[CAR]), narrow, 0, SHAPE)[0][0].any()
    present = clip.image_present.clone()
    present[0, 0, 0] = False
    missing = replace(clip, image_present=present)
    heat, counted = image_peaks(boxes(ahead, kinds=[CAR]), missing, 0, SHAPE)
    assert not heat[0].any()
    assert not counted[0].any()
    assert counted[1:].all()


def test_boxes_that_reach_behind_the_camera_have_finite_bumps() -> None:
    around = [3.0, 0.0, 0.0, 10.0, 2.0, 2.0, 0.0]
    heat, _ = image_peaks(boxes(around, kinds=[BUS]), looking_ahead(), 0, SHAPE)
    assert heat.isfinite().all()
    assert (heat[0, BUS] > 0.5).sum() > 20


def test_near_boxes_that_are_not_learned_nothing_counts_but_other_peaks() -> None:
    ahead = [10.0, 0.0, 0.5, 2.0, 2.0, 1.0, 0.0]
    _, counted = image_peaks(boxes(ahead, kinds=[CAR], learned=[False]), looking_ahead(), 0, SHAPE)
    assert not counted[0, CAR, 7, 12]
    assert counted[0, BUS].all()
    assert counted[0, CAR, :4].all()
    both = boxes(ahead, ahead, kinds=[CAR, CAR], learned=[False, True])
    assert image_peaks(both, looking_ahead(), 0, SHAPE)[1][0, CAR, 7, 12]


def test_who_knows_where_they_are_has_next_to_no_loss() -> None:
    ahead = [10.0, 1.0, 0.5, 2.0, 2.0, 1.0, 0.0]
    clip, truth = looking_ahead(), boxes(ahead, kinds=[CAR])
    heat, _ = image_peaks(truth, clip, 0, SHAPE)
    exact = heat.clamp(1e-4, 1 - 1e-4).logit()[None]
    assert image_loss(exact, clip, [truth]) < 0.1
    assert image_loss(torch.zeros_like(exact), clip, [truth]) > 10


def test_where_there_is_no_box_everything_counts() -> None:
    none = boxes(kinds=[])
    heat, counted = image_peaks(none, looking_ahead(), 0, SHAPE)
    assert not heat.any()
    assert counted.all()
    quiet = torch.full((1, 3, len(CLASSES), *SHAPE), -9.0)
    assert image_loss(quiet, looking_ahead(), [none]) < 1e-3
    assert image_loss(quiet + 9, looking_ahead(), [none]) > 100


# --- in training ---------------------------------------------------------------------------------


def _module(config: TaskConfig) -> TaskModule:
    torch.manual_seed(0)
    task, model = build_task(config)
    return TaskModule(model, task, config)


def test_it_is_added_to_the_tasks_losses_and_teaches_the_image_encoder() -> None:
    plain = task_preset("toy", "detection")
    clip = clip_with(Box(5.0, 3.0), Box(8.0, -2.0, kind=1))
    alone = _module(plain).step_losses(clip, step=0)
    module = _module(replace(plain, image_loss_weight=0.5))
    both = module.step_losses(clip, step=0)
    assert set(both) == {*alone, "image"}
    torch.testing.assert_close(both["loss"], alone["loss"] + 0.5 * both["image"])
    both["image"].backward()
    taught = {name for name, p in module.model.named_parameters() if p.grad is not None}
    assert {name.split(".")[0] for name in taught} == {"encoder", "image_head"}
    assert any(name.startswith("encoder.image_encoder.") for name in taught)
    assert {name for name in dict(module.model.named_parameters()) if "image_head" in name} < taught


def test_two_clips_at_once_equal_two_of_one() -> None:
    module = _module(replace(task_preset("toy", "detection"), image_loss_weight=1.0))
    clips = [clip_with(Box(5.0, 3.0)), clip_with(Box(-9.0, 1.0), seed=1)]
    both = module.step_losses(collate(clips), step=0)["image"]
    single = [module.step_losses(clip, step=0)["image"] for clip in clips]
    torch.testing.assert_close(both, torch.stack(single).mean())


def test_of_several_frames_the_key_frames_images_are_looked_at() -> None:
    config = task_preset("toy", "detection")
    config = replace(config, clip=replace(config.clip, frames=2, key=1), join="concatenate")
    module = _module(replace(config, image_loss_weight=1.0))
    clip = replace(clip_with(Box(5.0, 3.0), frames=2), key=1)
    before = module.step_losses(clip, step=0)["image"]
    images = clip.images.clone()
    images[:, 0] = 0
    assert torch.equal(module.step_losses(replace(clip, images=images), step=0)["image"], before)
    images[:, 1] = 0
    other = module.step_losses(replace(clip, images=images), step=0)["image"]
    assert not torch.equal(other, before)


def test_with_a_frozen_image_encoder_the_neck_learns() -> None:
    config = replace(task_preset("toy", "detection"), image_loss_weight=1.0, frozen="image_encoder")
    module = _module(config)
    module.step_losses(clip_with(Box(5.0, 3.0)), step=0)["image"].backward()
    taught = {name for name, p in module.model.named_parameters() if p.grad is not None}
    assert any(name.startswith("encoder.neck.") for name in taught)
    assert not any(name.startswith("encoder.image_encoder.") for name in taught)


def test_a_run_with_it_starts_one_without_and_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = task_preset("toy", "detection")
    models = [_module(replace(config, image_loss_weight=weight)).model for weight in (0.0, 1.0)]
    for source, model in (models, models[::-1]):
        for p in source.parameters():
            p.data.fill_(0.25)
        monkeypatch.setattr(loading, "load_task", lambda run, source=source: (source, None, None))
        before = {name: value.clone() for name, value in model.state_dict().items()}
        loading.start_task_at(model, Path("run"))
        for name, value in model.named_parameters():
            fresh = name.startswith("image_head.")
            assert torch.equal(value, before[name] if fresh else torch.full_like(value, 0.25)), name
        with torch.no_grad():
            for p in model.parameters():
                p.normal_()


def test_a_frozen_trunk_leaves_it_out_and_other_tasks_refuse_it() -> None:
    config = replace(task_preset("toy", "detection"), image_loss_weight=1.0)
    assert "in the images as well" in describe(config, clip_with(), 1)
    frozen = replace(config, frozen="trunk")
    assert build_task(frozen)[1].image_head is None
    assert "in the images" not in describe(frozen, clip_with(), 1)
    with pytest.raises(ValueError, match=r"image_loss_weight: expected 0 for the task vehicles"):
        build_task(replace(task_preset("toy", "vehicles"), image_loss_weight=1.0))
    with pytest.raises(ValueError, match=r"image_loss_weight: expected 0 or more"):
        replace(config, image_loss_weight=-1.0)


def test_it_is_computed_in_full_precision_beside_half_precision() -> None:
    config = replace(task_preset("toy", "detection"), image_loss_weight=1.0, precision="bf16")
    losses = _module(config).step_losses(clip_with(Box(5.0, 3.0)), step=0)
    assert losses["image"].dtype == torch.float32
    assert losses["image"].isfinite()
