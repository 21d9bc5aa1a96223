"""What a run's answers were worth, scene by scene, so that scenes can be drawn again.

A metric of each held-out scene enters; what leaves can be scored with any weights of the scenes,
such as how often a bootstrap drew each: percent, by place. With equal weights the score is the
metric's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64
from torch import Tensor
from torchmetrics import Metric

from mim4d.files import replacing
from mim4d.metrics.cell_iou import CellIou
from mim4d.metrics.detection.curves import precision_curve
from mim4d.metrics.detection.rules import CLASSES, MATCH_DISTANCES_M
from mim4d.metrics.layer_iou import LayerIou
from mim4d.metrics.map_ap import MapAp, average_precision
from mim4d.tasks.detection.metric import DetectionMetric

Place = Literal["all", "within 16 m", "beyond"]
Scores = dict[Place, Float64[np.ndarray, " k"]]
"""Percent, by place and draw."""
_NEAR_M = 16.0


@runtime_checkable
class Evidence(Protocol):
    """Something that was counted in each of some scenes."""

    @property
    def scenes(self) -> tuple[str, ...]:
        """Their names."""

    def scores(self, weights: Int64[np.ndarray, "k scene"]) -> Scores:
        """Percent for each draw of scenes, every scene counted so many times."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the scenes, to be kept."""


@dataclass(frozen=True)
class CellCounts:
    """Cells of layers: the score is the mean IoU of the layers that are there or are said.

    Attributes:
        scenes: Names.
        counts: By scene, place (within 16 m, beyond) and layer: tp, fp, fn.
    """

    scenes: tuple[str, ...]
    counts: Int64[np.ndarray, "scene 2 layer 3"]

    def scores(self, weights: Int64[np.ndarray, "k scene"]) -> Scores:
        """See `Evidence`."""
        by_place = np.einsum("kc,cplt->kplt", weights, self.counts)
        return {
            "all": _mean_iou(by_place.sum(axis=1)),
            "within 16 m": _mean_iou(by_place[:, 0]),
            "beyond": _mean_iou(by_place[:, 1]),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Evidence`."""
        return {"counts": self.counts}


def _mean_iou(counts: Int64[np.ndarray, "k layer 3"]) -> Float64[np.ndarray, " k"]:
    total = counts.sum(axis=-1)
    known = total > 0
    iou = counts[..., 0] / np.maximum(total, 1)
    mean: Float64[np.ndarray, " k"] = iou.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return 100 * mean


@dataclass(frozen=True)
class RankedAnswers:
    """Answers by falling score: the score is the mean AP of the classes that are true somewhere.

    Attributes:
        scenes: Names.
        rule: How AP is read off precision and recall: `recalls` as nuScenes does it for boxes,
            `area` as maps have it.
        rows: Of each answer: scene, class, distance from the car in metres.
        scores_of: How sure each is.
        hits: Whether it took a true one, at each threshold.
        true: True ones by scene, place (within 16 m, beyond) and class.
        by_place: Whether answers have a place.
    """

    scenes: tuple[str, ...]
    rule: Literal["recalls", "area"]
    rows: Float64[np.ndarray, "m 3"]
    scores_of: Float64[np.ndarray, " m"]
    hits: Bool[np.ndarray, "m t"]
    true: Int64[np.ndarray, "scene 2 class"]
    by_place: bool

    def scores(self, weights: Int64[np.ndarray, "k scene"]) -> Scores:
        """See `Evidence`."""
        everywhere = np.ones(len(self.rows), bool)
        near = self.rows[:, 2] < _NEAR_M
        found: Scores = {"all": self._mean_ap(weights, everywhere, self.true.sum(axis=1))}
        if self.by_place:
            found["within 16 m"] = self._mean_ap(weights, near, self.true[:, 0])
            found["beyond"] = self._mean_ap(weights, ~near, self.true[:, 1])
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Evidence`."""
        return {
            "rule": np.array(self.rule),
            "rows": self.rows,
            "scores": self.scores_of,
            "hits": self.hits,
            "true": self.true,
            "by_place": np.array(self.by_place),
        }

    def _mean_ap(
        self,
        weights: Int64[np.ndarray, "k scene"],
        counted: Bool[np.ndarray, " m"],
        true: Int64[np.ndarray, "scene class"],
    ) -> Float64[np.ndarray, " k"]:
        num_true = weights @ true  # k class
        total = np.zeros(len(weights))
        for kind in np.flatnonzero(true.sum(axis=0)):
            own = np.flatnonzero(counted & (self.rows[:, 1] == kind))
            own = own[np.argsort(-self.scores_of[own], kind="stable")]
            scene = self.rows[own, 0].astype(np.int64)
            for draw, times in enumerate(weights):
                if num_true[draw, kind]:
                    drawn = np.repeat(own, times[scene])  # as if scenes were there several times
                    total[draw] += self._ap(drawn, int(num_true[draw, kind]))
        there = (num_true > 0).sum(axis=1)
        return 100 * total / np.maximum(there, 1)

    def _ap(self, rows: Int64[np.ndarray, " j"], num_true: int) -> float:
        """AP of answers of one class by falling score, the mean over thresholds."""
        hits, scores = self.hits[rows], self.scores_of[rows]
        if self.rule == "area":
            return float(np.mean([average_precision(each, num_true) for each in hits.T]))
        curves = [precision_curve(each, scores, num_true) for each in hits.T]
        return float(np.mean([curve.average_precision for curve in curves]))


def evidence_of(metrics: Mapping[str, Metric]) -> Evidence:
    """What the metrics of scenes have seen, each of its own scene.

    Raises:
        TypeError: If a study knows nothing of this kind of metric.
    """
    scenes, parts = tuple(metrics), list(metrics.values())
    match parts[0]:
        case CellIou() | LayerIou():
            return CellCounts(scenes, np.stack([_visible(metric) for metric in parts]))
        case DetectionMetric():
            return _of_boxes(scenes, parts)
        case MapAp():
            return _of_lines(scenes, parts)
    raise TypeError(f"a study does not know how to draw scenes of {type(parts[0]).__name__}")


def _visible(metric: Metric) -> Int64[np.ndarray, "2 layer 3"]:
    """Cells of what can be seen, by place, layer and kind."""
    assert isinstance(metric.counts, Tensor), "a state of counts"
    counts = metric.counts[0]
    by_layer = counts[:, None] if counts.ndim == 2 else counts
    found: Int64[np.ndarray, "2 layer 3"] = by_layer.cpu().numpy()
    return found


def _of_boxes(scenes: tuple[str, ...], metrics: Sequence[Metric]) -> RankedAnswers:
    rows, scores, hits = [np.zeros((0, 3))], [np.zeros(0)], [np.zeros((0, 4), bool)]
    true = np.zeros((len(scenes), 2, len(CLASSES)), np.int64)
    for number, metric in enumerate(metrics):
        assert isinstance(metric, DetectionMetric), "all are of one task"
        truth, answers, matches = metric.matched()
        order = matches.order
        away = np.hypot(*answers.centres_m[order, :2].T)
        # An answer that took a box lies where the box lies, so that no place has hits without it.
        taken = matches.truth[-1, order]
        of_truth = np.append(np.hypot(*truth.centres_m[:, :2].T), 0.0)[taken]
        away = np.where(taken >= 0, of_truth, away)
        rows.append(np.c_[np.full(len(order), number), answers.classes[order], away])
        scores.append(answers.scores[order])
        hits.append(matches.truth[:, order].T >= 0)
        far = np.hypot(*truth.centres_m[:, :2].T) >= _NEAR_M
        np.add.at(true[number], (far.astype(int), truth.classes), 1)
    assert hits[0].shape[1] == len(MATCH_DISTANCES_M)
    return RankedAnswers(
        scenes,
        "recalls",
        np.concatenate(rows),
        np.concatenate(scores),
        np.concatenate(hits),
        true,
        by_place=True,
    )


def _of_lines(scenes: tuple[str, ...], metrics: Sequence[Metric]) -> RankedAnswers:
    """By the first rule of the metric; a line has no one distance from the car."""
    found, true = [], []
    for number, metric in enumerate(metrics):
        assert isinstance(metric, MapAp), "all are of one task"
        own = metric.answers(metric.rules[0])  # class, score, hits
        found.append(np.c_[np.full(len(own), number), own])
        true.append(metric.num_true.cpu().numpy())
    joined = np.concatenate(found)
    of_scene = np.stack(true)[:, None]
    return RankedAnswers(
        scenes,
        "area",
        np.c_[joined[:, :2], np.zeros(len(joined))],
        joined[:, 2],
        joined[:, 3:] > 0,
        np.concatenate([of_scene, np.zeros_like(of_scene)], axis=1),
        by_place=False,
    )


def save_evidence(path: Path, evidence: Evidence) -> None:
    """Write a .npz file: arrays alone, nothing pickled."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        content: dict[str, Any] = evidence.arrays()
        np.savez_compressed(file, scenes=np.array(evidence.scenes), **content)


def load_evidence(path: Path) -> Evidence:
    """What `save_evidence` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        content = {name: kept[name] for name in kept.files}
    scenes = tuple(str(name) for name in content.pop("scenes"))
    if "counts" in content:
        return CellCounts(scenes, content["counts"])
    return RankedAnswers(
        scenes,
        "recalls" if str(content["rule"]) == "recalls" else "area",
        content["rows"],
        content["scores"],
        content["hits"],
        content["true"],
        bool(content["by_place"]),
    )
