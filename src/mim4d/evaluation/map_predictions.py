"""Maps that others predicted, from a file, held against the maps of a data set.

The file is JSON in the layout that MapTR writes: `results` is a list with a `sample_token` and
`vectors` for each sample, each with `pts`, `cls_name` (or `type`, its row among the classes) and
`confidence_level`; or in StreamMapNet's: `results` by sample token, with lists `vectors`, `labels`
and `scores`. `meta.frame` says where points lie: `lidar` (x right, y forward, as MapTR; the default
of its layout) or `ego` (x forward, y left; the default of the other). The truth is cut out around
that frame's origin, so that files are scored as by their authors' tools.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mim4d.data.maps.map_names import MapLayer
from mim4d.data.maps.scene_maps import SceneMaps
from mim4d.data.maps.vector_map import centred
from mim4d.data.selection import choose_scenes
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError, MissingFileError, did_you_mean
from mim4d.evaluation.held_out import split_remarks
from mim4d.evaluation.task import TaskEvaluation
from mim4d.metrics.line_distance import MAPTR, streammapnet
from mim4d.metrics.map_ap import MapAp, MapLines
from mim4d.tasks.map_targets import CLASSES, lines_of

Frame = Literal["lidar", "ego"]
_LIDAR = "LIDAR_TOP"
_MAPS_BEGIN = re.compile(rb'"results"\s*:\s*(?:\[|\{\s*"[^"]*"\s*:\s*\{)')
"""A list of samples, or samples by token that are objects; of boxes they are lists."""
_BEGINNING = 1 << 20
_SAME_NAMES = {"crossing": "ped_crossing", "pedestrian_crossing": "ped_crossing"}


@dataclass(frozen=True)
class MapPredictions:
    """What a file predicts.

    Attributes:
        path: The file.
        frame: Frame that points lie in, at the sample's time.
        by_token: Lines of each sample.
    """

    path: Path
    frame: Frame
    by_token: dict[str, MapLines]


def evaluate_map_predictions(
    file: Path,
    data: Path,
    *,
    scenes: SceneChoice,
    version: str | None = None,
    range_m: tuple[float, float] = (60.0, 30.0),
    boundary: MapLayer = "road_boundary",
) -> TaskEvaluation:
    """Score a file of predicted maps by both habits.

    Args:
        file: The predictions.
        data: Data set with maps.
        scenes: Scenes that count; the file must have every sample of them.
        version: Version folder of the data set.
        range_m: Length ahead and width of the map around the car, metres.
        boundary: The layer whose outlines are boundaries; `road_boundary` is MapTR's on nuScenes.

    Raises:
        DataError: For anything wrong with file or data.
    """
    predictions = read_map_predictions(file)
    tables = NuscenesTables.open(data, version)
    rows = choose_scenes(tables, scenes)
    maps = SceneMaps.open(tables, rows, range_m)
    metric = MapAp(CLASSES, (MAPTR, streammapnet(range_m)))
    bounds = centred(*range_m) if predictions.frame == "ego" else centred(*range_m[::-1])
    tokens = {tables.sample(s).token for row in rows for s in tables.samples_of_scene(row).tolist()}
    _check_tokens(predictions, tokens, tables)
    for scene, token, pose in _samples(tables, rows, predictions.frame):
        patch = maps.maps[maps.locations[scene]].patch(pose, bounds)
        metric.update([predictions.by_token[token]], [lines_of(patch, boundary)])
    names = [tables.scene(row).name for row in rows]
    task, remarks = f"hd_map ({file.name})", split_remarks(tables, names)
    return TaskEvaluation(
        task, metric.compute(), names, len(tokens), held_out=None, remarks=remarks
    )


def read_map_predictions(path: Path) -> MapPredictions:
    """Read a file of either layout.

    Raises:
        DataError: If it is missing, no JSON, of another layout, or a line is not usable.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file of predictions")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error
    results = content.get("results") if isinstance(content, dict) else None
    if isinstance(results, list):
        default, samples = "lidar", list(_maptr(path, results))
    elif isinstance(results, dict):
        default, samples = "ego", list(_streammapnet(path, results))
    else:
        raise DataError(
            f"{path}: no predicted maps: expected `results`, a list of samples with vectors (as "
            "MapTR writes) or samples by token (as StreamMapNet writes)"
        )
    meta = content.get("meta")
    frame = meta.get("frame", default) if isinstance(meta, dict) else default
    if frame not in ("lidar", "ego"):
        raise DataError(f"{path}: meta.frame is {frame!r}; expected 'lidar' or 'ego'")
    by_token: dict[str, MapLines] = {}
    for token, lines in samples:
        if token in by_token:
            raise DataError(f"{path}: sample {token} occurs more than once")
        by_token[token] = lines
    return MapPredictions(path, cast(Frame, frame), by_token)


def _maptr(path: Path, results: list[Any]) -> Iterator[tuple[str, MapLines]]:
    for number, sample in enumerate(results):
        token = sample.get("sample_token") if isinstance(sample, dict) else None
        if not isinstance(token, str) or not isinstance(sample.get("vectors"), list):
            raise DataError(f"{path}: result {number} has no sample_token with vectors")
        where = f"{path}, sample {token}"
        rows = [_row(where, vector) for vector in sample["vectors"]]
        yield token, _lines(where, rows)


def _row(where: str, vector: Any) -> tuple[Any, Any, Any]:
    """Points, class and score of a vector of MapTR's layout."""
    if not isinstance(vector, dict) or "pts" not in vector:
        raise DataError(f"{where}: a vector without pts")
    kind = vector.get("cls_name", vector.get("type"))
    return vector["pts"], kind, vector.get("confidence_level")


def _streammapnet(path: Path, results: dict[str, Any]) -> Iterator[tuple[str, MapLines]]:
    for token, sample in results.items():
        where = f"{path}, sample {token}"
        fields = ("vectors", "labels", "scores")
        found: list[Any] = [sample.get(f) if isinstance(sample, dict) else None for f in fields]
        if not all(isinstance(values, list) for values in found):
            raise DataError(f"{where}: expected lists {', '.join(fields)}")
        if len({len(values) for values in found}) > 1:
            raise DataError(f"{where}: {', '.join(fields)} are of different lengths")
        # Its classes are numbered in an order of its own: crossings come first.
        names = ("ped_crossing", "divider", "boundary")
        kinds = [names[int(k)] if k in (0, 1, 2) else k for k in found[1]]
        yield token, _lines(where, list(zip(found[0], kinds, found[2], strict=True)))


def _lines(where: str, rows: Sequence[tuple[Any, Any, Any]]) -> MapLines:
    lines, kinds, scores = [], [], []
    for number, (points, kind, score) in enumerate(rows):
        lines.append(_points(f"{where}, line {number}", points))
        kinds.append(_class(f"{where}, line {number}", kind))
        if not isinstance(score, int | float) or not math.isfinite(score):
            raise DataError(f"{where}, line {number}: score is {score!r}; expected a finite number")
        scores.append(float(score))
    return MapLines(
        tuple(lines), torch.tensor(kinds, dtype=torch.int64), torch.tensor(scores).double()
    )


def _points(where: str, points: Any) -> Tensor:
    try:
        array = np.array(points, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] not in (2, 3):
        raise DataError(
            f"{where}: its points have the shape {array.shape}; expected two or more points of x "
            "and y"
        )
    if not np.isfinite(array).all():
        raise DataError(f"{where}: a point is NaN or infinite")
    return torch.from_numpy(array[:, :2].copy())


def _class(where: str, kind: Any) -> int:
    if kind in (0, 1, 2):
        return int(kind)
    name = _SAME_NAMES.get(kind, kind) if isinstance(kind, str) else str(kind)
    if name not in CLASSES:
        raise DataError(
            f"{where}: class {kind!r} is not known{did_you_mean(name, CLASSES)}; expected one of "
            f"{', '.join(CLASSES)}"
        )
    return CLASSES.index(name)


def _check_tokens(predictions: MapPredictions, wanted: set[str], tables: NuscenesTables) -> None:
    missing = sorted(wanted - set(predictions.by_token))
    if missing:
        raise DataError(
            f"{predictions.path}: {len(missing)} of {len(wanted)} samples are missing, the first "
            f"of them {missing[0]}; predict every sample of the scenes, or choose scenes (--scenes)"
        )
    known = {token.decode() for token in tables.column("sample", "token").tolist()}
    unknown = sorted(set(predictions.by_token) - known)
    if unknown:
        raise DataError(
            f"{predictions.path}: {len(unknown)} samples are not of {tables.root}, the first of "
            f"them {unknown[0]}"
        )


def _samples(
    tables: NuscenesTables, scenes: Sequence[int], frame: Frame
) -> Iterator[tuple[int, str, Float64[Tensor, "4 4"]]]:
    """Scene, token and pose of the frame of every sample."""
    for scene in scenes:
        channel = _LIDAR if _LIDAR in tables.channels("lidar") else tables.channels("camera")[0]
        rows = tables.data_of_scene(scene, channel)
        rows = rows[tables.column("sample_data", "is_key_frame")[rows]]
        poses = tables.global_from_ego(rows)
        if frame == "lidar":
            if channel != _LIDAR:
                raise DataError(f"{tables.root}: has no {_LIDAR}, whose frame the file is in")
            poses = poses @ tables.ego_from_sensor(rows)
        samples = tables.column("sample_data", "sample")[rows].tolist()
        for sample, pose in zip(samples, poses, strict=True):
            yield scene, tables.sample(sample).token, pose


def is_map_predictions(path: Path) -> bool:
    """Whether a file holds predicted maps rather than boxes, told by how its results begin.

    The rest is not looked at: files of boxes may be larger than memory.

    Raises:
        DataError: If it is missing.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file of predictions")
    with path.open("rb") as file:
        return _MAPS_BEGIN.search(file.read(_BEGINNING)) is not None
