"""Whole training steps of the released code, in values and gradients, by our own modules.

The model is the imported one. Four defects of the released code take the place of parts of ours
(the warp in index units, truncated voxel indices, rays of mixed frames, a number added to their
directions); that ours obey the law is tested where these parts are: `tests/temporal/test_warp.py`,
`tests/models/lifting/test_splat.py`, `tests/pretraining/test_ray_choice.py`, `test_rays.py`.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mim4d.exchange.official.checkpoint_layout import read_layout
from mim4d.exchange.official.translate import Conventions, to_official
from mim4d.geometry.rigid import apply_linear, transform_points
from mim4d.pretraining.dropping import joined_index
from mim4d.pretraining.losses import colour_l1, distance_l1
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.rendering.compositing import render_distance_normalised
from mim4d.rendering.rays import Rays, RayTargets
from mim4d.rendering.renderer import Rendering
from mim4d.tasks.detection.box_code import decode_boxes
from mim4d.tasks.detection.detections import best_of_classes
from mim4d.tensors.records import take
from tests.parity import GoldenFile, is_left_out
from tests.pretraining.golden_sizes import num_cameras, render_config, unit_m
from tests.pretraining.golden_step import (
    golden_choices,
    golden_clip,
    golden_detector,
    golden_model,
)
from tests.tasks.detection.golden_head import AS_STORED, stored_boxes

Golden = Callable[[str], GoldenFile]
VALUES, RAYS, RENDERED, GRADIENTS = 1e-4, 1e-5, 2e-3, 2e-2


def watched(function: Callable, results: list) -> Callable:
    """The same function, whose results are kept."""

    def call(*arguments):
        results.append(function(*arguments))
        return results[-1]

    return call


def watch(model: MaskedVideoModel) -> dict[str, list]:
    """What the parts of a model give, by name, filled by its forward."""
    encoder = model.encoder
    parts = {
        "backbone": encoder.image_encoder,
        "neck": encoder.neck,
        "depth": encoder.depth_head,
        "conv": encoder.volume_conv,
        "rebuilt": model.decoder,
    }
    seen: dict[str, list] = {name: [] for name in (*parts, "lifted", "warped")}
    for name, module in parts.items():
        assert module is not None
        module.register_forward_hook(lambda _, __, result, name=name: seen[name].append(result))
    encoder.lifting = watched(encoder.lifting, seen["lifted"])
    model.warp = watched(model.warp, seen["warped"])
    return seen


def to_stored_images(file: GoldenFile, images: Tensor) -> Tensor:
    """(frames cameras), oldest first → (cameras frames), newest first."""
    by_frame = images.unflatten(0, (-1, num_cameras(file)))
    return by_frame.flip(0).transpose(0, 1).flatten(0, 1)


def check_encoder(file: GoldenFile, seen: dict[str, list]) -> None:
    """Features, depth distributions and volumes of all frames."""
    (levels,), (neck,), ((_, depth_probs),) = seen["backbone"], seen["neck"], seen["depth"]
    stored = [name for name in file.tensors if name.startswith("out.backbone.")]
    for name, level in zip(sorted(stored)[-len(levels) :], levels, strict=True):
        file.check(name, to_stored_images(file, level), VALUES)
    for k, (level, probs) in enumerate(zip(neck, depth_probs, strict=True)):
        file.check(f"out.neck.{k}", to_stored_images(file, level), VALUES)
        file.check(f"out.depth_prob.{k}", to_stored_images(file, probs), VALUES)
    file.check("out.volume", seen["lifted"][0].flip(0)[None], VALUES)


def check_rays(
    file: GoldenFile,
    model: MaskedVideoModel,
    rays: Rays,
    targets: RayTargets,
    place: int,
    name: str,
) -> None:
    """Rays of one frame: here in ego axes and metres, there in the LiDAR's and its units."""
    unit = unit_m(file)
    box_from_ego = model.bounds.box_from_ego
    origins = transform_points(box_from_ego, rays.origins[place])
    file.check(f"{name}.ray_o", origins / unit, RAYS)
    directions = apply_linear(box_from_ego[:3, :3], rays.directions[place])
    file.check(f"{name}.ray_d", directions, RAYS)
    file.check(f"{name}.rgb", targets.colours[place].flip(-1), RAYS)  # B, G, R there
    unknown = torch.full_like(targets.distances[place], -1)
    measured, distances = targets.valid_distances[place], targets.distances[place]
    depth = torch.where(measured, distances / unit, unknown)
    file.check(f"{name}.depth", depth[:, None], RAYS)


def released_distances(rendering: Rendering) -> Tensor:
    """The released distance of each bundle of rays by itself, metres."""
    bundles = zip(rendering.weights.split(1), rendering.sample_distances.split(1), strict=True)
    return torch.cat([render_distance_normalised(*bundle) for bundle in bundles])


def losses_of(file: GoldenFile, rendering: Rendering, targets) -> tuple[Tensor, Tensor]:
    """Colour and distance loss, each weighted as released: means over frames of means over rays."""
    everything = torch.ones_like(targets.valid_distances)
    measured, distances = targets.valid_distances, released_distances(rendering)
    weights = render_config(file)["loss_cfg"]["weights"]
    assert set(weights) == {"rgb_loss", "depth_loss"}
    colour = colour_l1(rendering.colours, targets.colours, everything)
    distance = distance_l1(distances, targets.distances, measured)
    return weights["rgb_loss"] * colour, weights["depth_loss"] / unit_m(file) * distance


def check_rendering(file: GoldenFile, rendering: Rendering, place: int, name: str) -> None:
    """Colours and distances of one bundle of rays, and where stored its samples."""
    file.check(f"{name}rgb", rendering.colours[place].flip(-1), RENDERED)
    unit = unit_m(file)
    distances = released_distances(rendering)[place] / unit
    file.check(f"{name}depth", distances[:, None], RENDERED)
    if f"{name}weights" in file.tensors:
        # Ten times what the file states of float32 itself, 1.4e-4 at most.
        weights = rendering.weights[place, ..., None]
        file.check(f"{name}weights", weights, 5e-3)
        positions = rendering.sample_distances[place, ..., None] / unit
        file.check(f"{name}z_vals", positions, RENDERED)


def check_gradients(file: GoldenFile, model: MaskedVideoModel) -> None:
    """Every stored gradient and length of one, under the official names.

    The scale of a comparison is at least a ten-thousandth of the largest gradient, as the files
    ask: gradients that are zero in truth hold rounding noise.
    """
    ours = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    layout = read_layout({k: v.shape for k, v in file.part("weights").items()})
    gradients = to_official(ours, layout, Conventions(length_unit_m=1.0))
    norms, stored = file.part("out.gradnorm"), file.part("out.grad.weights")
    vanishing = gradients["render_conv.0.bias"].norm()  # a batch norm follows
    assert vanishing < 1e-3 * gradients["render_conv.0.weight"].norm()
    floor = 1e-4 * max(norm.item() for norm in norms.values())
    for name in norms:
        if not is_left_out(file.name, f"out.gradnorm.{name}"):
            length = gradients[name].norm()
            file.check(f"out.gradnorm.{name}", length, GRADIENTS, floor=floor)
    floor = 1e-4 * max((g.abs().max().item() for g in stored.values()), default=0.0)
    for name in stored:
        if not is_left_out(file.name, f"out.grad.weights.{name}"):
            file.check(f"out.grad.weights.{name}", gradients[name], GRADIENTS, floor=floor)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pretrain_full_a", "pretrain_full_b"])
def test_two_frames_dropped_and_rebuilt(golden: Golden, name: str) -> None:
    file = golden(name)
    model, clip = golden_model(file), golden_clip(file)
    seen = watch(model)
    num_passes = len(file.tensors["in.frames"])
    passes = [f"in.pass{k}" for k in range(num_passes)]
    choices, targets = golden_choices(file, clip, model.bounds, passes)
    out = model(clip, choices)
    check_encoder(file, seen)
    file.check("out.uni_feats", seen["conv"][0].flip(0)[None], VALUES)
    # Sources of a pass, oldest first: the file has the newest.
    warped = seen["warped"][0][0].unflatten(0, (num_passes, -1))
    for k in file.numbers(r"out\.warped\.pass(\d+)\..*"):
        for i in file.numbers(rf"out\.warped\.pass{k}\.(\d+)"):
            source = warped[k, -1 - i]
            file.check(f"out.warped.pass{k}.{i}", source.flatten(0, 1)[None], VALUES)
    losses: dict[str, Tensor] = {}
    of_dropped = take(targets.rays, joined_index(out.predicted_frames, clip.num_frames))
    for kind, ending, rendering in (
        ("direct", "", out.direct),
        ("predicted", "_adj", out.predicted),
    ):
        for k in range(num_passes):
            check_rendering(file, rendering, k, f"out.pass{k}.{kind}.")
        colour, distance = losses_of(file, rendering, of_dropped)
        losses |= {f"rgb_loss{ending}": colour, f"depth_loss{ending}": distance}
    for k, place in enumerate(choices.dropped[0].tolist()):
        check_rays(file, model, choices.rays, targets.rays, place, f"out.rays.pass{k}")
        file.check(f"out.predicted_volume.pass{k}", seen["rebuilt"][0][k][None], VALUES)
    for loss, value in losses.items():
        file.check(f"out.loss.{loss}", value, RENDERED)
    total = sum(losses.values(), torch.zeros(()))
    file.check("out.loss.total", total, RENDERED)
    total.backward()
    check_gradients(file, model)


def test_a_single_frame(golden: Golden) -> None:
    """The released branch without history; it counts each loss twice."""
    file = golden("pretrain_single_a")
    model, clip = golden_model(file), golden_clip(file)
    seen = watch(model)
    choices, targets = golden_choices(file, clip, model.bounds, ["in"], nearest_m=0.0)
    out = model(clip, choices)
    assert out.predicted is None
    file.check("out.volume", seen["lifted"][0][None], VALUES)
    file.check("out.uni_feats", seen["conv"][0], VALUES)
    check_rendering(file, out.direct, 0, "out.")
    colour, distance = losses_of(file, out.direct, targets.rays)
    for ending in ("", "_adj"):
        file.check(f"out.loss.rgb_loss{ending}", colour, RENDERED)
        file.check(f"out.loss.depth_loss{ending}", distance, RENDERED)
    total = 2 * (colour + distance)
    file.check("out.loss.total", total, RENDERED)
    total.backward()
    check_gradients(file, model)


@pytest.mark.parametrize("name", ["finetune_full_a", "finetune_full_b"])
def test_a_detector(golden: Golden, name: str) -> None:
    """From images to boxes, as the importer makes it."""
    file = golden(name)
    model, clip = golden_detector(file), golden_clip(file)
    seen: dict[str, list] = {"image_encoder": [], "neck": [], "volume_conv": []}
    for part, results in seen.items():
        module = getattr(model.encoder, part)
        module.register_forward_hook(lambda _, __, result, kept=results: kept.append(result))
    with torch.no_grad():
        found = model(clip).find(None).matched
    levels = seen["image_encoder"][0]
    stored = sorted(name for name in file.tensors if name.startswith("out.img_backbone."))
    for key, level in zip(stored[-len(levels) :], levels, strict=True):
        file.check(key, to_stored_images(file, level), VALUES)
    for k, level in enumerate(seen["neck"][0]):
        file.check(f"out.img_neck.{k}", to_stored_images(file, level), VALUES)
    file.check("out.volume", seen["volume_conv"][0][None], VALUES)
    file.check("out.all_cls_scores", found.logits[..., AS_STORED], VALUES)
    file.check("out.all_bbox_preds", found.code, VALUES)
    if found.overlap is not None:
        file.check("out.all_iou_preds", found.overlap.unsqueeze(-1), VALUES)
    scores, query, classes = best_of_classes(
        found.logits[-1, 0], len(file.part("out")["decoded.scores"])
    )
    file.check("out.decoded.scores", scores, VALUES)
    labels = torch.tensor(AS_STORED)[file.tensors["out.decoded.labels"]]
    file.check("out.decoded.labels", classes, like=lambda _: labels)
    file.check("out.decoded.boxes", stored_boxes(decode_boxes(found.code[-1, 0, query])), VALUES)
