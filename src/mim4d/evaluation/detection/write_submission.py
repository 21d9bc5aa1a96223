"""Detections as the official submission file of nuScenes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from mim4d.evaluation.detection.predict import GlobalBoxes
from mim4d.evaluation.detection.submission_file import box_records
from mim4d.files import replacing
from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES

META = {
    "use_camera": True,
    "use_lidar": False,
    "use_radar": False,
    "use_map": False,
    "use_external": False,
}
"""What the challenge asks: of the sensors, cameras alone are read when boxes are found."""


def write_submission(
    path: Path, tokens: Sequence[str], found: Iterable[tuple[str, GlobalBoxes]]
) -> Path:
    """Write the file, whole or not at all; samples of which nothing is said have an empty list.

    Args:
        path: The file.
        tokens: All samples that belong in it, in their order.
        found: Token and boxes of samples.
    """
    results: dict[str, list[dict[str, Any]]] = {token: [] for token in tokens}
    for token, boxes in found:
        results[token] = _boxes(token, boxes)
    with replacing(path) as temporary:
        temporary.write_bytes(orjson.dumps({"meta": META, "results": results}))
    return path


def _boxes(token: str, boxes: GlobalBoxes) -> list[dict[str, Any]]:
    found = boxes.found
    return box_records(
        token,
        boxes.centres_m.tolist(),
        found.boxes_ref[:, [4, 3, 5]].double().tolist(),  # width, length, height
        boxes.quaternions_wxyz.tolist(),
        boxes.velocities_m_s.tolist(),
        [CLASSES[kind] for kind in found.classes.tolist()],
        found.scores.double().tolist(),
        [ATTRIBUTES[kind] if kind >= 0 else "" for kind in found.attributes.tolist()],
    )
