"""IoU of layers: every stored case of CVT and Lift-Splat-Shoot, by hand, and exact sums."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mim4d.metrics.layer_iou import SWEEP, LayerIou, LayerTruth, count_cells, iou
from tests.metrics.stored import load_case, stored_array

CENTRES = torch.tensor([[[1.0, 0.0], [20.0, 0.0]], [[0.0, 1.0], [12.0, 16.0]]])
"""Within 16 m: the left column; beyond: the right one."""
CVT_CASES = (
    *("cvt_vehicle_visible", "cvt_vehicle_all", "cvt_road", "cvt_empty"),
    *(f"cvt_vehicle_visibility_{level}" for level in (1, 3, 4)),
    *("cvt_two_channels_pooled", "cvt_two_channels_pooled_visible"),
)


@pytest.fixture(scope="module")
def stored(golden_dir: Path) -> dict[str, Any]:
    case = load_case(golden_dir, "bev_segmentation")
    arrays = {name: stored_array(array) for name, array in case["arrays"].items()}
    return {"expected": case["expected"], "arrays": arrays}


@pytest.mark.parametrize("name", CVT_CASES)
def test_the_stored_counts_of_cvt(stored: dict[str, Any], name: str) -> None:
    """Cells of hardly visible things are left out of all counts; layers may be pooled."""
    case, arrays = stored["expected"][name], stored["arrays"]
    which = case.get("logits", "vehicle")
    which = [which] if isinstance(which, str) else which
    layers = case["label_indices"]
    labels = torch.stack([arrays["labels"][:, rows].any(dim=1) for rows in layers], dim=1)
    logits = torch.stack([arrays[f"logits_{each}"].float() for each in which], dim=1)
    ignored = (arrays["visibility"] < (case["min_visibility"] or 0))[:, None].expand_as(labels)
    if name == "cvt_empty":
        labels, ignored, logits = labels[1:2], ignored[1:2], torch.full_like(logits[1:2], -5.0)
    metric = LayerIou(which, which, torch.zeros(*labels.shape[2:], 2))
    for part in ((0, 3), (3, 4), (4, 8)):
        rows = slice(*part)
        if len(logits[rows]):
            metric.update(logits[rows].sigmoid(), LayerTruth(labels[rows], ignored[rows]))
    for place, threshold in enumerate(case["thresholds"]):
        counts = metric.sweep[0, SWEEP.index(threshold)].sum(dim=0)
        assert counts.tolist() == [case[kind][place] for kind in ("tp", "fp", "fn")]
        expected = case["iou"][f"@{threshold:.2f}"]
        assert (iou(counts) or 0.0) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(metric.counts[0].sum(dim=0), metric.sweep[0, SWEEP.index(0.5)])


@pytest.mark.parametrize("batch", [1, 4])
def test_the_stored_unions_of_lift_splat_shoot(stored: dict[str, Any], batch: int) -> None:
    """A logit of exactly 0, a probability of one half, is none of its predictions."""
    expected, arrays = stored["expected"]["lss"][f"batch_{batch}"], stored["arrays"]
    rows = stored["expected"]["cvt_vehicle_all"]["label_indices"][0]
    labels = arrays["labels"][:, rows].any(dim=1, keepdim=True)
    probabilities = arrays["logits_vehicle"].float().sigmoid().unsqueeze(1)
    whole = LayerIou(["vehicle"], [], torch.zeros(*labels.shape[2:], 2), at_least=False)
    for i, of_batch in enumerate(expected["per_batch"]):
        part = slice(i * batch, (i + 1) * batch)
        everything = torch.ones_like(labels[part])
        tp, fp, fn = count_cells(probabilities[part] > 0.5, labels[part], everything)[0].tolist()
        assert (tp, tp + fp + fn) == (of_batch["intersection"], of_batch["union"])
        whole.update(probabilities[part], LayerTruth(labels[part], ~everything))
    assert whole.compute()["vehicle"]["IoU"] == pytest.approx(expected["iou"], abs=1e-6)


def _truth(occupied: list[Any], ignored: list[Any]) -> LayerTruth:
    return LayerTruth(torch.tensor([occupied]).bool(), torch.tensor([ignored]).bool())


def test_by_hand() -> None:
    """Hit, false alarm, miss, and an unseen thing that was found; a layer without visibility."""
    metric = LayerIou(["thing", "road"], ["thing"], CENTRES)
    nothing = [[0, 0], [0, 0]]
    metric.update(
        torch.tensor([[[[0.9, 0.5], [0.4, 0.6]], [[0.0, 0.3], [0.0, 0.0]]]]),
        _truth([[[1, 0], [1, 1]], nothing], [[[0, 0], [0, 1]], nothing]),
    )
    rows = metric.compute()
    assert list(rows) == ["thing, visible", "thing, all", "road", "mean of layers"]
    columns = ("IoU", "within 16 m", "beyond", "precision", "recall", "true cells")
    values = [[row[column] for column in columns] for row in rows.values()]
    assert values[0] == [1 / 3, 1 / 2, 0.0, 1 / 2, 1 / 2, 2]
    assert values[1] == [2 / 4, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 3]
    assert values[2] == [None, None, None, None, None, 0]
    assert values[3] == [1 / 3, 1 / 2, 0.0, 1 / 2, 1 / 2, None]
    sweep = metric.further_tables()["IoU at other thresholds"]
    assert sweep["thing, visible"]["0.40"] == 2 / 3
    assert sweep["road"]["0.30"] == 0.0
    assert sweep["road"]["0.35"] is None


def _random(seed: torch.Generator, clips: int) -> tuple[Tensor, LayerTruth]:
    occupied = torch.rand(clips, 3, 2, 2, generator=seed) > 0.5
    ignored = torch.rand(clips, 3, 2, 2, generator=seed) > 0.7
    return torch.rand(clips, 3, 2, 2, generator=seed), LayerTruth(occupied, ignored)


def test_sums_are_exact_however_clips_are_dealt_out(seed: torch.Generator) -> None:
    """One batch, and two processes of single clips whose sums are merged, past float32's end."""
    probabilities, truth = _random(seed, 6)
    whole, merged, *halves = (LayerIou("abc", "a", CENTRES) for _ in range(4))
    whole.counts += 2**24
    merged.counts += 2**24
    whole.update(probabilities, truth)
    for i in range(6):
        part = LayerTruth(truth.occupied[i : i + 1], truth.ignored[i : i + 1])
        halves[i % 2].update(probabilities[i : i + 1], part)
    for half in halves:
        merged.merge_state(half)
    assert whole.counts.dtype == whole.sweep.dtype == torch.int64
    assert torch.equal(whole.counts, merged.counts)
    assert torch.equal(whole.sweep, merged.sweep)
    assert {*whole._reductions.values()} == {whole._reductions["counts"]} != {None}


def test_what_is_not_finite_is_no_answer() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        LayerIou(["a"], [], CENTRES).update(
            torch.full((1, 1, 2, 2), torch.nan), _truth([[[1, 0], [0, 0]]], [[[0, 0], [0, 0]]])
        )
