"""Detections of a file beside the truth of the same samples: to be judged, and to be drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import ClipConfig, TrunkConfig
from mim4d.data.selection import choose_scenes
from mim4d.data.splits import HELD_OUT, SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from mim4d.evaluation.detection.evaluation import DetectionEvaluation, judge
from mim4d.evaluation.detection.predict import DetectedClip, boxes_in_global, global_from_ref
from mim4d.evaluation.detection.submission import read_submission
from mim4d.evaluation.detection.truth import SampleTruth, read_truth
from mim4d.evaluation.view import spread
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.classes import ClassTable
from mim4d.tasks.detection.detections import Detections, TrueBoxes

_IMAGE_HW = (256, 448)
"""Size at which images are read to be drawn on."""


@dataclass(frozen=True)
class PredictedFile:
    """What a file says of some scenes, and what is true there.

    Attributes:
        file: The submission file.
        tables: The data set.
        scenes: Scenes that count.
        truth: Of their samples.
        boxes: Of the file, in `global`; samples are numbered as in the truth.
    """

    file: Path
    tables: NuscenesTables
    scenes: list[str]
    truth: SampleTruth
    boxes: BoxTable

    def judge(self) -> DetectionEvaluation:
        """Scores by the official path."""
        return judge(self.truth, self.boxes, str(self.file), self.scenes)

    def clips(self, count: int) -> Iterator[DetectedClip]:
        """Some samples, spread over the scenes, with their images.

        Raises:
            DataError: If an image cannot be read.
        """
        lidar = next(iter(self.tables.channels("lidar")), None)
        clip = ClipConfig(1, 0, None, *_IMAGE_HW, lidar=lidar)
        config = TrunkConfig(preset="drawn", clip=clip)
        scenes = SceneChoice(names=tuple(self.scenes))
        dataset = build_dataset(
            config, self.tables.root, scenes, self.tables.version, incomplete="keep", judged=True
        )
        numbers = {token: number for number, token in enumerate(self.truth.tokens)}
        for index in spread(len(dataset), count):
            one, pose = dataset[index], global_from_ref(dataset, index)
            number = numbers[one.key_tokens[0]]
            boxes = self.boxes.take(self.boxes.samples == number)
            true = self.truth.boxes.take(self.truth.boxes.samples == number)
            order = np.argsort(-boxes.scores, kind="stable")
            boxes = boxes.take(order)
            found = Detections(
                boxes_in_ref(boxes, pose),
                torch.from_numpy(boxes.classes).long(),
                torch.from_numpy(boxes.scores).float(),
                torch.from_numpy(boxes.attributes).long(),
            )
            known = TrueBoxes(
                boxes_ref=boxes_in_ref(true, pose),
                classes=torch.from_numpy(true.classes).long(),
                attributes=torch.from_numpy(true.attributes).long(),
                points=torch.from_numpy(true.points).long(),
                visibilities=torch.from_numpy(true.visibilities).long(),
                learned=torch.ones(len(true), dtype=torch.bool),
                token=one.key_tokens[0],
            )
            yield DetectedClip(one, found, boxes_in_global(found, pose), known)


def open_predictions(
    file: Path,
    data: Path,
    *,
    scenes: SceneChoice = HELD_OUT,
    version: str | None = None,
    table: ClassTable | None = None,
) -> PredictedFile:
    """Read the submission file of any detector, and what is true of a split or some scenes.

    Args:
        file: In the official form; it may hold samples of other scenes of the data set.
        data: Folder of the data set.
        scenes: Scenes that count.
        version: Version folder of the data set.
        table: Classes of other names than nuScenes', in the data or the file.

    Raises:
        DataError: If anything is wrong with file or data, or a sample of the scenes has no entry.
    """
    tables = NuscenesTables.open(data, version)
    rows = choose_scenes(tables, scenes)
    samples = np.concatenate([tables.samples_of_scene(row) for row in rows]).tolist()
    truth = read_truth(tables, samples, table)
    submission = read_submission(file, truth.tokens, table)
    _refuse_unknown(file, submission.tokens, tables)
    names = [tables.scene(row).name for row in rows]
    return PredictedFile(file, tables, names, truth, submission.boxes)


def evaluate_predictions(
    file: Path,
    data: Path,
    *,
    scenes: SceneChoice = HELD_OUT,
    version: str | None = None,
    table: ClassTable | None = None,
) -> DetectionEvaluation:
    """Judge the submission file of any detector; see `open_predictions`."""
    return open_predictions(file, data, scenes=scenes, version=version, table=table).judge()


def boxes_in_ref(boxes: BoxTable, pose: Float64[Tensor, "4 4"]) -> Float[Tensor, "k 9"]:
    """Boxes in `global` as a clip has them: centre, size, yaw, velocity in `ref`.

    Args:
        boxes: In `global`.
        pose: Of the key frame's ego frame, `global_from_ref`.
    """
    ref_from_global = invert_rigid(pose)
    centres = transform_points(ref_from_global, torch.from_numpy(boxes.centres_m).double())
    yaws = torch.from_numpy(boxes.yaws_rad).double()
    ways = torch.stack([yaws.cos(), yaws.sin()], dim=1) @ ref_from_global[:2, :2].T
    velocities = torch.from_numpy(boxes.velocities_m_s).double() @ ref_from_global[:2, :2].T
    parts = (
        centres,
        torch.from_numpy(boxes.sizes_m).double(),
        torch.atan2(ways[:, 1], ways[:, 0])[:, None],
        velocities,
    )
    return torch.cat(parts, dim=1).float()


def _refuse_unknown(file: Path, tokens: list[str], tables: NuscenesTables) -> None:
    known = set(tables.column("sample", "token").tolist())
    unknown = [token for token in tokens if token.encode() not in known]
    if unknown:
        raise DataError(
            f"{file}: {len(unknown)} of its {len(tokens)} samples are not in the data set "
            f"{tables.root / tables.version}, the first being {unknown[0]}; give the data (--data, "
            "--version) that the detections were made on"
        )
