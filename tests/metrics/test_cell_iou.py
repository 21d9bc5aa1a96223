"""IoU of cells from whole counts, by hand; sums do not depend on how clips are dealt out."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mim4d.metrics.cell_iou import CellIou, CellTruth
from tests.metrics.stored import load_case, stored_array

CENTRES = torch.tensor([[[1.0, 0.0], [20.0, 0.0]], [[0.0, 1.0], [12.0, 16.0]]])
"""Within 16 m: the left column; beyond: the right one."""


def _truth(occupied: list[list[int]], ignored: list[list[int]]) -> CellTruth:
    return CellTruth(torch.tensor([occupied]).bool(), torch.tensor([ignored]).bool())


def test_by_hand() -> None:
    """Hit, false alarm, miss, and an ignored cell that was predicted: a hit where all count."""
    metric = CellIou("things", CENTRES)
    metric.update(
        torch.tensor([[[0.9, 0.5], [0.4, 0.6]]]), _truth([[1, 0], [1, 0]], [[0, 0], [0, 1]])
    )
    rows = metric.compute()
    assert rows == {
        "visible things": {"IoU": 1 / 3, "within 16 m": 1 / 2, "beyond": 0.0, "true cells": 2},
        "all things": {"IoU": 2 / 4, "within 16 m": 1 / 2, "beyond": 1 / 2, "true cells": 3},
    }


def test_the_threshold_itself_is_predicted() -> None:
    metric = CellIou("things", CENTRES, threshold=0.25)
    metric.update(torch.full((1, 2, 2), 0.25), _truth([[1, 1], [1, 1]], [[0, 0], [0, 0]]))
    assert metric.compute()["visible things"]["IoU"] == 1.0


def test_nothing_true_and_nothing_predicted_has_no_value() -> None:
    metric = CellIou("things", CENTRES)
    metric.update(torch.zeros(1, 2, 2), _truth([[0, 0], [0, 0]], [[0, 0], [0, 0]]))
    row = metric.compute()["visible things"]
    assert (row["IoU"], row["beyond"], row["true cells"]) == (None, None, 0)


def _random(seed: torch.Generator, clips: int) -> tuple[Tensor, CellTruth]:
    occupied = torch.rand(clips, 2, 2, generator=seed) > 0.5
    ignored = (torch.rand(clips, 2, 2, generator=seed) > 0.7) & ~occupied
    return torch.rand(clips, 2, 2, generator=seed), CellTruth(occupied, ignored)


def test_sums_are_exact_however_clips_are_dealt_out(seed: torch.Generator) -> None:
    """One batch, single clips, and two processes whose sums are merged."""
    probabilities, truth = _random(seed, 6)
    whole, single, merged = (CellIou("things", CENTRES) for _ in range(3))
    whole.update(probabilities, truth)
    halves = [CellIou("things", CENTRES) for _ in range(2)]
    for i in range(6):
        part = CellTruth(truth.occupied[i : i + 1], truth.ignored[i : i + 1])
        single.update(probabilities[i : i + 1], part)
        halves[i % 2].update(probabilities[i : i + 1], part)
    for half in halves:
        merged.merge_state(half)
    assert whole.counts.dtype == torch.int64
    assert torch.equal(whole.counts, single.counts)
    assert torch.equal(whole.counts, merged.counts)
    assert whole._reductions["counts"] is not None  # processes add up as well


def test_more_cells_than_a_float32_counts() -> None:
    metric = CellIou("things", CENTRES)
    metric.counts[0, 0] = 2**24
    metric.update(torch.ones(1, 2, 2), _truth([[1, 0], [0, 0]], [[0, 0], [0, 0]]))
    assert metric.counts[0, 0].tolist() == [2**24 + 1, 2**24 + 1, 2**24]


def test_what_is_not_finite_is_no_answer() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        CellIou("things", CENTRES).update(
            torch.full((1, 2, 2), torch.nan), _truth([[1, 0], [0, 0]], [[0, 0], [0, 0]])
        )


@pytest.mark.parametrize("case", ["cvt_vehicle_visible", "cvt_vehicle_visibility_4", "cvt_road"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_stored_counts_of_cvt(golden_dir: Path, case: str, place: int) -> None:
    """Cells of hardly visible things are left out of all counts, whatever stands there."""
    stored = load_case(golden_dir, "bev_segmentation")
    expected = stored["expected"][case]
    arrays = {name: stored_array(array) for name, array in stored["arrays"].items()}
    labels = arrays["labels"][:, expected["label_indices"][0]].any(dim=1)
    least = expected["min_visibility"] or 0
    ignored = arrays["visibility"] < least
    logits = arrays[f"logits_{expected.get('logits', 'vehicle')}"].float()
    metric = CellIou("things", torch.zeros(*labels.shape[1:], 2), expected["thresholds"][place])
    for i in range(len(labels)):
        truth = CellTruth(labels[i : i + 1] & ~ignored[i : i + 1], ignored[i : i + 1])
        metric.update(logits[i : i + 1].sigmoid(), truth)
    counts = metric.counts[0].sum(dim=0).tolist()
    assert counts == [expected[kind][place] for kind in ("tp", "fp", "fn")]
    name = f"@{expected['thresholds'][place]:.2f}"
    assert metric.compute()["visible things"]["IoU"] == pytest.approx(
        expected["iou"][name], abs=1e-6
    )
