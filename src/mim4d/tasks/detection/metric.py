"""The detection score of a task's answers, clip by clip, over processes and batches."""

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.filtering import counted_boxes
from mim4d.metrics.detection.matching import Matches, match_boxes
from mim4d.metrics.detection.rules import CLASSES, ERRORS
from mim4d.metrics.detection.scores import DetectionScores, score_matches
from mim4d.tasks.detection.detections import Detections, TrueBoxes
from mim4d.tasks.task import number_of_token

_COLUMNS = ("ATE", "ASE", "AOE", "AVE", "AAE")
_WIDTH = 14


class DetectionMetric(Metric):
    """nuScenes' mAP, errors and NDS over clips.

    All boxes are kept and sorted by their sample before anything is summed, so that neither batches
    nor processes change a bit. Boxes are judged in `ref`, where headings and distances are those of
    `global` but for the car's tilt; true boxes count by their LiDAR points, since clips know
    nothing of radar and bicycle racks. `mim4d evaluate` judges by the official path.
    """

    full_state_update = False
    headline = "AP"
    predicted: list[Tensor]
    true: list[Tensor]
    predicted_samples: list[Tensor]
    true_samples: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("predicted", "true", "predicted_samples", "true_samples"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, answers: list[Detections], truth: list[TrueBoxes]) -> None:
        """Keep the boxes of a batch.

        Raises:
            ValueError: If a score or a box is not finite.
        """
        for found, boxes in zip(answers, truth, strict=True):
            if not bool(found.boxes_ref.isfinite().all() and found.scores.isfinite().all()):
                raise ValueError("a predicted box is NaN or infinite; the weights are unusable")
            number = number_of_token(boxes.token)
            none = torch.full_like(boxes.classes, -1)
            self._keep("predicted", number, found.boxes_ref, found.classes, found.attributes)
            self.predicted[-1][:, 11] = found.scores.double()
            self._keep("true", number, boxes.boxes_ref, boxes.classes, boxes.attributes)
            self.true[-1][:, 11] = none.double()
            self.true[-1][:, 12] = boxes.points.double()
            self.true[-1][:, 13] = boxes.visibilities.double()

    def _keep(
        self, name: str, number: int, boxes: Tensor, classes: Tensor, attributes: Tensor
    ) -> None:
        rows = torch.zeros(len(boxes), _WIDTH, dtype=torch.float64, device=boxes.device)
        rows[:, :9] = boxes.double()
        rows[:, 9], rows[:, 10], rows[:, 12] = classes.double(), attributes.double(), -1
        getattr(self, name).append(rows)
        samples = torch.full((len(boxes),), number, dtype=torch.int64, device=boxes.device)
        getattr(self, f"{name}_samples").append(samples)

    def compute(self) -> dict[str, dict[str, float | int | None]]:
        """The mean, the mean over classes that are true somewhere, and each class, as rows."""
        scores = self.scores()
        errors = scores.mean_errors
        mean = self._row(scores.mean_ap, errors, int(scores.num_truth.sum()), scores.nds)
        there = scores.num_truth > 0
        of_true = np.nanmean(scores.errors[there], axis=0) if there.any() else errors * np.nan
        ap = scores.mean_ap_of_true_classes
        rows = {"mean": mean, "mean of true classes": self._row(ap, of_true, mean["true boxes"])}
        for k, name in enumerate(CLASSES):
            count = int(scores.num_truth[k])
            ap = float(scores.class_ap[k]) if count else None
            rows[name] = self._row(ap, scores.errors[k] if count else errors * np.nan, count)
        return rows

    def scores(self) -> DetectionScores:
        """Everything that was measured."""
        return score_matches(*self.matched())

    def matched(self) -> tuple[BoxTable, BoxTable, Matches]:
        """True boxes and predictions that count, and which took which."""
        truth, predictions = self._table("true"), self._table("predicted")
        if len(truth.samples) + len(predictions.samples):
            names = np.unique(np.concatenate([truth.samples, predictions.samples]))
            ego = np.zeros((len(names), 2))  # the car is where `ref` begins
            truth, predictions = (_numbered(t, names) for t in (truth, predictions))
            truth, predictions = (t.take(counted_boxes(t, ego)) for t in (truth, predictions))
        return truth, predictions, match_boxes(truth, predictions)

    def _table(self, name: str) -> BoxTable:
        kept, samples = getattr(self, name), getattr(self, f"{name}_samples")
        rows = dim_zero_cat(kept) if len(kept) else torch.zeros(0, _WIDTH, dtype=torch.float64)
        of = dim_zero_cat(samples) if len(samples) else torch.zeros(0, dtype=torch.int64)
        order = torch.argsort(of, stable=True).cpu()
        r, number = rows.cpu()[order].numpy(), of.cpu()[order].numpy()
        return BoxTable(
            samples=number,
            classes=r[:, 9].astype(int),
            centres_m=r[:, :3],
            sizes_m=r[:, 3:6],
            yaws_rad=r[:, 6],
            velocities_m_s=r[:, 7:9],
            attributes=r[:, 10].astype(int),
            scores=r[:, 11],
            points=r[:, 12].astype(int),
            visibilities=r[:, 13].astype(int),
        )

    @staticmethod
    def _row(
        ap: float | None, errors: np.ndarray, count: float | int | None, nds: float | None = None
    ) -> dict[str, float | int | None]:
        assert len(errors) == len(ERRORS)
        found = {
            c: None if np.isnan(e) else float(e) for c, e in zip(_COLUMNS, errors, strict=True)
        }
        return {"NDS": nds, "AP": ap, **found, "true boxes": count}


def _numbered(table: BoxTable, names: np.ndarray) -> BoxTable:
    columns = {**vars(table), "samples": np.searchsorted(names, table.samples)}
    return BoxTable(**columns)
