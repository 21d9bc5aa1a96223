"""Detections of a submission file as columns, everything wrong with them said by sample and box.

What the official tool refuses is refused: more than 500 boxes in a sample, samples that are not
predicted, values that are not finite, unknown classes and attributes. Velocities may be NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from mim4d.data.tables.json_rows import loads
from mim4d.errors import DataError, did_you_mean
from mim4d.evaluation.detection.submission_file import iter_samples
from mim4d.geometry.rigid import rotation_from_quaternion, yaw_from_rotation
from mim4d.metrics.detection.boxes import BoxTable, join_boxes
from mim4d.metrics.detection.classes import NO_CLASS, ClassTable, class_row
from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES, MAX_BOXES_PER_SAMPLE

_BATCH = 64
"""Samples that become columns at once."""


@dataclass(frozen=True)
class Submission:
    """Detections of the samples that were asked for.

    Attributes:
        boxes: In `global`; samples are numbered as asked for.
        tokens: All samples of the file.
    """

    boxes: BoxTable
    tokens: list[str]


def read_submission(
    path: Path, samples: Sequence[str], table: ClassTable | None = None
) -> Submission:
    """Read the detections of some samples.

    Args:
        path: The file. It may hold further samples, which are skipped.
        samples: Tokens of the samples wanted.
        table: Classes of other names than the ten.

    Raises:
        DataError: If anything is wrong with the file, or a sample that is wanted is not in it.
    """
    numbers = {token: number for number, token in enumerate(samples)}
    reader = _Reader(path, table)
    tables: list[BoxTable] = []
    seen: dict[str, None] = {}
    batch: list[tuple[int, str, list[dict[str, Any]]]] = []
    for token, boxes in iter_samples(path):
        if token in seen:
            raise DataError(f"{path}: sample {token} occurs twice in results")
        seen[token] = None
        if token in numbers:
            batch.append((numbers[token], token, boxes))
        if len(batch) == _BATCH:
            tables.append(reader.columns(batch))
            batch = []
    tables.append(reader.columns(batch))
    missing = [token for token in samples if token not in seen]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of the {len(samples)} samples asked for are not in it, the "
            f"first being {missing[0]} (a sample without detections has an empty list); choose its "
            "own scenes with --split or --scenes"
        )
    return Submission(join_boxes(tables), list(seen))


class _Reader:
    """Makes columns of boxes.

    Args:
        path: Of the file, for messages.
        table: Classes of other names.
    """

    def __init__(self, path: Path, table: ClassTable | None) -> None:
        self._path = path
        self._table = table
        self._classes: dict[str, int] = {}
        self._attributes: Mapping[str, int] = {"": -1} | {a: i for i, a in enumerate(ATTRIBUTES)}

    def columns(self, batch: Sequence[tuple[int, str, list[dict[str, Any]]]]) -> BoxTable:
        """Boxes of some samples; those of no class are left out."""
        for _, token, boxes in batch:
            if len(boxes) > MAX_BOXES_PER_SAMPLE:
                raise DataError(
                    f"{self._path}, sample {token}: has {len(boxes)} boxes; at most "
                    f"{MAX_BOXES_PER_SAMPLE} are allowed: keep those of the highest score"
                )
        places = [(token, i) for _, token, boxes in batch for i in range(len(boxes))]
        rows = [box for _, _, boxes in batch for box in boxes]
        for (token, i), box in zip(places, rows, strict=True):
            if box.get("sample_token", token) != token:
                raise self._wrong(token, i, "sample_token", box["sample_token"], f"{token!r}")
        rotation = self._numbers(places, rows, "rotation", 4)
        self._refuse(places, rows, "rotation", ~(np.abs(rotation).sum(axis=1) > 0), "not all zeros")
        centre = self._numbers(places, rows, "translation", 3)
        width_length_height = self._numbers(places, rows, "size", 3)
        small = ~(width_length_height > 0).all(axis=1)
        self._refuse(places, rows, "size", small, "lengths above 0")
        score = self._numbers(places, rows, "detection_score")
        velocity = self._numbers(places, rows, "velocity", 2, may_be_nan=True)
        none = np.zeros(len(rows), np.int64)
        table = BoxTable(
            samples=np.repeat([n for n, _, _ in batch], [len(boxes) for _, _, boxes in batch])
            if batch
            else none,
            classes=self._class_column(places, rows),
            centres_m=centre,
            sizes_m=width_length_height[:, [1, 0, 2]],
            yaws_rad=yaws_of_quaternions(rotation),
            velocities_m_s=velocity,
            attributes=self._attribute_column(places, rows),
            scores=score,
            points=none - 1,
            visibilities=none,
        )
        return table.take(table.classes != NO_CLASS)

    def _numbers(
        self,
        places: Sequence[tuple[str, int]],
        rows: list[dict[str, Any]],
        field: str,
        width: int = 0,
        may_be_nan: bool = False,
    ) -> NDArray[np.float64]:
        shape = (len(rows), width) if width else (len(rows),)
        expected = f"{width} numbers" if width else "a number"
        try:
            values = np.array([row[field] for row in rows], np.float64).reshape(shape)
        except (KeyError, TypeError, ValueError):
            raise self._first_wrong(places, rows, field, width, expected) from None
        finite = np.isfinite(values) | (np.isnan(values) if may_be_nan else False)
        wrong = ~finite.reshape(len(rows), -1).all(axis=1)
        self._refuse(places, rows, field, wrong, f"{expected}, finite")
        return values

    def _refuse(
        self,
        places: Sequence[tuple[str, int]],
        rows: list[dict[str, Any]],
        field: str,
        wrong: NDArray[np.bool_] | np.bool_,
        expected: str,
    ) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._wrong(*places[row], field, rows[row][field], expected)

    def _first_wrong(
        self,
        places: Sequence[tuple[str, int]],
        rows: list[dict[str, Any]],
        field: str,
        width: int,
        expected: str,
    ) -> DataError:
        for (token, i), row in zip(places, rows, strict=True):
            try:
                fits = np.array(row[field], np.float64).shape == ((width,) if width else ())
            except (KeyError, TypeError, ValueError):
                fits = False
            if not fits:
                return self._wrong(token, i, field, row.get(field), expected)
        return DataError(f"{self._path}: field {field!r} should be {expected}")

    def _class_column(
        self, places: Sequence[tuple[str, int]], rows: list[dict[str, Any]]
    ) -> Int[np.ndarray, " k"]:
        for (token, i), row in zip(places, rows, strict=True):
            name = str(row.get("detection_name"))
            if name not in self._classes:
                try:
                    self._classes[name] = class_row(name, self._table)
                except KeyError as error:
                    expected = f"one of {', '.join(CLASSES)}, or a name in --class-table"
                    raise self._wrong(token, i, "detection_name", name, expected) from error
        return np.array([self._classes[str(row["detection_name"])] for row in rows], np.int64)

    def _attribute_column(
        self, places: Sequence[tuple[str, int]], rows: list[dict[str, Any]]
    ) -> Int[np.ndarray, " k"]:
        try:
            found = [self._attributes[row["attribute_name"]] for row in rows]
        except (KeyError, TypeError):
            for (token, i), row in zip(places, rows, strict=True):
                name = row.get("attribute_name")
                if name not in self._attributes:
                    hint = did_you_mean(str(name), ATTRIBUTES)
                    expected = f"one of {', '.join(ATTRIBUTES)}, or an empty text{hint}"
                    raise self._wrong(token, i, "attribute_name", name, expected) from None
            raise
        return np.array(found, np.int64)

    def _wrong(self, token: str, number: int, field: str, found: Any, expected: str) -> DataError:
        return DataError(
            f"{self._path}, sample {token}, box {number}: {field} is {found!r}; expected {expected}"
        )


def read_class_table(path: Path | None) -> dict[str, str | None] | None:
    """The table of classes in a JSON file; None without one.

    Raises:
        DataError: If the file is missing or holds no such table.
    """
    if path is None:
        return None
    expected = 'a JSON object such as {"REGULAR_VEHICLE": "car", "SIGN": null}'
    try:
        table = loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"--class-table {path}: {error}; expected {expected}") from error
    if not isinstance(table, dict) or not all(
        v is None or isinstance(v, str) for v in table.values()
    ):
        raise DataError(f"--class-table {path}: expected {expected}")
    return table


def yaws_of_quaternions(quaternions_wxyz: Float[np.ndarray, "k 4"]) -> Float[np.ndarray, " k"]:
    """Direction of each x axis seen from above, counter-clockwise from +x, radians."""
    rotation = rotation_from_quaternion(torch.from_numpy(np.ascontiguousarray(quaternions_wxyz)))
    return yaw_from_rotation(rotation).numpy()
