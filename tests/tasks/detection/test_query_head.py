"""Both query heads against the authors': values, losses, gradients, decoded boxes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mim4d.config.head import QueryHeadConfig
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.detection.box_code import decode_boxes
from mim4d.tasks.detection.denoising import Denoising, denoise, num_groups
from mim4d.tasks.detection.detections import best_of_classes
from mim4d.tasks.detection.query_decoder import QueryOutput
from mim4d.tasks.detection.query_losses import divided, matched_sums, noisy_sums, paired_iou
from mim4d.tasks.detection.task import Detection
from mim4d.tasks.task import StepShare
from tests.parity import GoldenFile
from tests.tasks.detection.golden_head import (
    AS_STORED,
    golden_head,
    golden_truth,
    golden_weights,
    official_gradients,
    stored_boxes,
)
from tests.tasks.scene import Box, clip_with

Golden = Callable[[str], GoldenFile]
GRADIENTS = 1e-4
_NAMES = {"class": "cls", "box": "bbox", "overlap": "iou"}


def _check_output(file: GoldenFile, found: QueryOutput, prefix: str) -> None:
    file.check(f"{prefix}all_cls_scores", found.logits[..., AS_STORED])
    file.check(f"{prefix}all_bbox_preds", found.code)
    if found.overlap is not None:
        file.check(f"{prefix}all_iou_preds", found.overlap.unsqueeze(-1))


def _check_losses(file: GoldenFile, losses: dict[str, Tensor]) -> None:
    for name, value in losses.items():
        layer, _, kind = name.rpartition(".")
        noisy, _, kind = kind.rpartition("_")
        prefix = f"{layer.replace('layer', 'd')}." if layer else ""
        key = f"out.loss.{prefix}{'dn_' if noisy else ''}loss_{_NAMES[kind]}"
        file.check(key, value, like=torch.squeeze)
    stored = [n for n in file.tensors if n.startswith("out.loss.") and not n.endswith("total")]
    assert len(losses) == len(stored)


def _check_gradients(file: GoldenFile, head: torch.nn.Module, volume: Tensor) -> None:
    assert volume.grad is not None
    stored = file.part("out.grad.weights")
    floor = 1e-4 * max(gradient.abs().max().item() for gradient in stored.values())
    file.check("out.grad.in.volume", volume.grad.unsqueeze(1), GRADIENTS, floor=floor)
    gradients = official_gradients(head)
    assert gradients.keys() == stored.keys() - {"code_weights"}
    for name, value in gradients.items():
        file.check(f"out.grad.weights.{name}", value, GRADIENTS, floor=floor)


def _instead(value: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: value


@pytest.mark.parametrize("name", ["uvtr_head", "uvtr_dn_head"])
def test_values_and_decoded_boxes(golden: Golden, name: str) -> None:
    file = golden(name)
    head = golden_head(file).eval()
    with torch.no_grad():
        found = head.find(file.tensors["in.volume"][:, 0]).matched
    _check_output(file, found, "out.eval.")
    for b in range(found.logits.shape[1]):
        scores, query, classes = best_of_classes(found.logits[-1, b], 30)
        file.check(f"out.decoded.{b}.scores", scores)
        stored = torch.tensor(AS_STORED)[file.tensors[f"out.decoded.{b}.labels"]]
        file.check(f"out.decoded.{b}.labels", classes, like=_instead(stored))
        boxes = stored_boxes(decode_boxes(found.code[-1, b, query]))
        file.check(f"out.decoded.{b}.boxes", boxes)


def test_losses_and_gradients_of_learned_queries(golden: Golden) -> None:
    file = golden("uvtr_head")
    head = golden_head(file).train()
    volume = file.tensors["in.volume"][:, 0].clone().requires_grad_()
    sums = matched_sums(head.find(volume).matched, golden_truth(file), golden_weights(file))
    losses = divided(sums, StepShare())
    _check_losses(file, losses)
    total = torch.stack(list(losses.values())).sum()
    file.check("out.loss.total", total, like=torch.squeeze)
    total.backward()
    _check_gradients(file, head, volume)


def _golden_denoising(file: GoldenFile) -> Denoising:
    truth, head = golden_truth(file), golden_head(file)
    groups = num_groups(truth, file.config["num_query"], file.config["scalar"])
    return denoise(
        truth,
        groups,
        2 * file.tensors["in.dn_noise_uniform"] - 1,
        num_queries=file.config["num_query"],
        num_classes=len(AS_STORED),
        lower_m=head.decoder.lower_m,
        span_m=head.decoder.span_m,
    )


def test_losses_and_gradients_of_placed_queries_with_denoising(golden: Golden) -> None:
    file = golden("uvtr_dn_head")
    head, weights = golden_head(file).train(), golden_weights(file)
    volume = file.tensors["in.volume"][:, 0].clone().requires_grad_()
    noisy = _golden_denoising(file)
    labels = torch.tensor([*AS_STORED, len(AS_STORED)])[file.tensors["out.train.dn_known_labels"]]
    file.check("out.train.dn_known_labels", noisy.pairs.classes, like=lambda _: labels)
    file.check("out.train.dn_batch_index", noisy.pairs.clips)
    file.check("out.train.dn_query_index", noisy.pairs.queries)
    found = head.find(volume, noisy.queries)
    assert found.noisy is not None
    _check_output(file, found.matched, "out.train.")
    _check_output(file, found.noisy, "out.train.dn_")
    sums = matched_sums(found.matched, golden_truth(file), weights)
    sums |= noisy_sums(found.noisy, noisy.pairs, weights)
    losses = divided(sums, StepShare())
    _check_losses(file, losses)
    total = torch.stack(list(losses.values())).sum()
    file.check("out.loss.total", total, like=torch.squeeze)
    total.backward()
    _check_gradients(file, head, volume)


def test_boxes_that_are_not_finite_do_not_stop_the_overlap() -> None:
    """The run stops after the step, with the message that names its batch."""
    true = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.3, 0.0, 0.0]]).expand(2, -1)
    found = true.clone()
    found[0, 0], found[1, 3] = torch.nan, torch.inf
    assert paired_iou(found, true).shape == (2,)


@pytest.mark.parametrize("boxes", [[(Box(2, 1), Box(-3, 2)), (Box(1, -4),)], [(Box(2, 1),), ()]])
def test_the_shares_of_two_processes_are_the_losses_of_one_batch(
    boxes: list[tuple[Box, ...]],
) -> None:
    """Each process has one clip and tells the other its counts; of noise it draws its own."""
    options = QueryHeadConfig(queries="learned", num_queries=8, layers=2, heads=2, hidden=16)
    task = Detection(options, VoxelGrid((-8.0, -8.0, -2.0), (8.0, 8.0, 2.0), (4, 4, 2)))
    head, volumes = task.build_head(8).eval(), torch.rand(2, 8, 2, 4, 4)
    truths = [task.targets(clip_with(*own)) for own in boxes]
    whole = task.losses(head(volumes), [truth for (truth,) in truths])
    told: list[Tensor] = []

    def tell(counts: Tensor) -> Tensor:
        told.append(counts.clone())
        return counts

    def losses(sum_: Callable[[Tensor], Tensor]) -> list[dict[str, Tensor]]:
        share = StepShare(2, sum_)
        return [
            task.losses_of_share(head(volume[None]), truth, share)
            for volume, truth in zip(volumes, truths, strict=True)
        ]

    losses(tell)
    a, b = losses(lambda _: told[0] + told[1])
    for name, value in whole.items():
        torch.testing.assert_close((a[name] + b[name]) / 2, value)


def test_clips_without_boxes_have_the_same_losses_by_name() -> None:
    """Micro-steps and processes are averaged by name."""
    options = QueryHeadConfig(queries="placed", num_queries=8, layers=2, heads=2, hidden=16)
    task = Detection(options, VoxelGrid((-8.0, -8.0, -2.0), (8.0, 8.0, 2.0), (4, 4, 2)))
    head, volume = task.build_head(8), torch.rand(1, 8, 2, 4, 4)
    full, empty = (
        task.losses(head(volume), task.targets(clip_with(*boxes))) for boxes in ((Box(2, 1),), ())
    )
    assert list(full) == list(empty)
    assert (float(full["noisy_class"]) > 0, float(empty["noisy_class"])) == (True, 0.0)
