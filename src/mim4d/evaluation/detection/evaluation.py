"""Judge detections: from a submission file of any detector and a data set to tables and numbers."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mim4d.evaluation.detection.parts import MatchedBoxes, scores_of_parts
from mim4d.evaluation.detection.truth import SampleTruth
from mim4d.evaluation.formatting import count_of, line, number
from mim4d.evaluation.legend import titled
from mim4d.files import write_text
from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.filtering import counted_boxes, distances_to_car
from mim4d.metrics.detection.matching import match_boxes
from mim4d.metrics.detection.rules import CLASSES, ERRORS, MATCH_DISTANCES_M
from mim4d.metrics.detection.scores import DetectionScores

_SHORT = {"translation": "ATE m", "scale": "ASE", "orientation": "AOE rad"} | {
    "velocity": "AVE m/s",
    "attribute": "AAE",
}


@dataclass(frozen=True)
class ClassCurves:
    """Precision at evenly spaced recalls from 0 to 1.

    Attributes:
        names: Of the classes.
        distances_m: Within which a box is matched.
        precisions: By class, distance and recall.
        average: AP of each class.
        num_truth: True boxes of each class.
    """

    names: tuple[str, ...]
    distances_m: tuple[float, ...]
    precisions: Float[np.ndarray, "c d r"]
    average: Float[np.ndarray, " c"]
    num_truth: Int[np.ndarray, " c"]


@dataclass(frozen=True)
class DetectionEvaluation:
    """Scores of detections, and what they were measured on.

    Attributes:
        scores: Of all boxes.
        parts: By distance from the car and by visibility.
        source: The file that was judged.
        scenes: Scenes that count.
        num_samples: Samples that count.
        remarks: What else is to be known of the numbers.
        beside: Scores of other answers to the same samples, by their names.
    """

    scores: DetectionScores
    parts: dict[str, DetectionScores]
    source: str
    scenes: list[str]
    num_samples: int
    remarks: tuple[str, ...] = ()
    beside: dict[str, DetectionScores] = field(default_factory=dict)

    def table(self) -> str:
        """The tables for a person."""
        scores = self.scores
        columns = ("AP", *(_SHORT[error] for error in ERRORS), "true", "predicted")
        lines = [line("class", columns, 9)]
        lines.append("-" * len(lines[0]))
        for k, name in enumerate(CLASSES):
            cells = [number(scores.class_ap[k], 3), *(number(e, 3) for e in scores.errors[k])]
            cells += [str(scores.num_truth[k]), str(scores.num_predictions[k])]
            lines.append(line(name, tuple(cells), 9))
        cells = [number(scores.mean_ap, 3), *(number(e, 3) for e in scores.mean_errors)]
        cells += [str(scores.num_truth.sum()), str(scores.num_predictions.sum())]
        lines += ["-" * len(lines[0]), line("mean", tuple(cells), 9), ""]
        lines.append(f"NDS {100 * scores.nds:.2f}   mAP {100 * scores.mean_ap:.2f}   (in percent)")
        if self.beside:
            lines += ["", *_compare({"this run": scores, **titled(self.beside)})]
        if self.parts:
            lines += ["", line("part", ("mAP there", "true"), 9)]
            for name, part in self.parts.items():
                value = number(part.mean_ap_of_true_classes, 3)
                lines.append(line(name, (value, str(part.num_truth.sum())), 9))
        width = max(80, len(lines[1]))
        return "\n".join([*lines, "", *textwrap.wrap(self.note(), width)])

    def note(self) -> str:
        """What the numbers are of, in words."""
        absent = [name for k, name in enumerate(CLASSES) if self.scores.num_truth[k] == 0]
        text = (
            f"{count_of(self.num_samples, 'sample')} of {count_of(len(self.scenes), 'scene')}; "
            "nuScenes' detection_cvpr_2019. "
        )
        if absent:
            there = number(self.scores.mean_ap_of_true_classes, 3)
            text += (
                f"No true box of: {', '.join(absent)}; they count as 0 in the mean, as in the "
                f"official tool. Without them mAP is {there}. "
            )
        if self.parts:
            text += '"mAP there" is the mean over classes that are true in the part.'
        return " ".join([text.strip(), *self.remarks])

    def curves(self) -> "ClassCurves":
        """Precision over recall, for a picture."""
        scores = self.scores
        return ClassCurves(
            CLASSES, MATCH_DISTANCES_M, scores.precisions, scores.class_ap, scores.num_truth
        )

    def as_json(self) -> dict[str, Any]:
        """All numbers; NaN is null."""
        return {
            "source": self.source,
            "scenes": self.scenes,
            "num_samples": self.num_samples,
            "remarks": self.remarks,
            **_numbers(self.scores),
            "parts": {name: _numbers(part) for name, part in self.parts.items()},
            "beside": {name: _numbers(other) for name, other in self.beside.items()},
        }

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, json.dumps(self.as_json(), indent=2, allow_nan=False) + "\n")


def _compare(answers: dict[str, DetectionScores]) -> list[str]:
    """Several answers to the same samples, each in a row."""
    columns = ("NDS", "mAP", "mAP there", *(f"m{_SHORT[error]}" for error in ERRORS))
    lines = [line("answer", columns, 9)]
    for name, scores in answers.items():
        values = (scores.nds, scores.mean_ap, scores.mean_ap_of_true_classes, *scores.mean_errors)
        lines.append(line(name, tuple(number(value, 3) for value in values), 9))
    return lines


def _numbers(scores: DetectionScores) -> dict[str, Any]:
    by_class = {
        name: {
            "ap": float(scores.class_ap[k]),
            "ap_at_m": {
                f"{distance:g}": float(scores.average_precisions[k, d])
                for d, distance in enumerate(MATCH_DISTANCES_M)
            },
            "errors": {
                error: None if np.isnan(scores.errors[k, e]) else float(scores.errors[k, e])
                for e, error in enumerate(ERRORS)
            },
            "true": int(scores.num_truth[k]),
            "predicted": int(scores.num_predictions[k]),
        }
        for k, name in enumerate(CLASSES)
    }
    return {
        "nds": scores.nds,
        "mean_ap": scores.mean_ap,
        "mean_ap_of_true_classes": scores.mean_ap_of_true_classes,
        "errors": dict(zip(ERRORS, scores.mean_errors.tolist(), strict=True)),
        "classes": by_class,
    }


def judge(
    truth: SampleTruth,
    predictions: BoxTable,
    source: str,
    scenes: list[str],
    remarks: tuple[str, ...] = (),
    others: Mapping[str, BoxTable] | None = None,
) -> DetectionEvaluation:
    """Filter, match and score boxes in `global`, all and in parts; and those of other answers."""
    matched = _match(truth, predictions)
    parts = dict(scores_of_parts(matched))
    beside = {name: _match(truth, boxes).scores() for name, boxes in (others or {}).items()}
    return DetectionEvaluation(
        matched.scores(), parts, source, scenes, len(truth.tokens), remarks, beside
    )


def _match(truth: SampleTruth, predictions: BoxTable) -> MatchedBoxes:
    true_boxes, boxes = (
        found.take(counted_boxes(found, truth.ego_xy_m, truth.racks))
        for found in (truth.boxes, predictions)
    )
    return MatchedBoxes(
        true_boxes,
        boxes,
        match_boxes(true_boxes, boxes),
        distances_to_car(true_boxes, truth.ego_xy_m),
        distances_to_car(boxes, truth.ego_xy_m),
    )
