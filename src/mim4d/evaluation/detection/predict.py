"""A detector's run on every key frame of some scenes: boxes in `ref` and in `global`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mim4d.build.data import build_bare_dataset, build_dataset
from mim4d.config import Device
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.selection import choose_scenes
from mim4d.data.splits import HELD_OUT, SceneChoice
from mim4d.evaluation.detection.evaluation import DetectionEvaluation, judge
from mim4d.evaluation.detection.submission import yaws_of_quaternions
from mim4d.evaluation.detection.truth import read_truth
from mim4d.evaluation.floors_and_ceilings import Answer, Reference, training_clips
from mim4d.evaluation.held_out import (
    lidar_remarks,
    overlap_remarks,
    pretraining_remarks,
    target_samples,
)
from mim4d.evaluation.view import spread
from mim4d.geometry.rigid import quaternion_from_rotation, rotation_from_yaw, transform_points
from mim4d.metrics.detection.boxes import BoxTable, join_boxes
from mim4d.metrics.detection.classes import ClassTable, class_rows
from mim4d.progress import Report, counted, silent
from mim4d.runs.loading import load_task
from mim4d.runs.record import was_trained_on
from mim4d.tasks.detection.detections import Detections, TrueBoxes
from mim4d.tasks.detection.task import Detection
from mim4d.tasks.detection.true_boxes import class_table
from mim4d.tasks.model import TaskModel
from mim4d.training.devices import choose_accelerator

_OWN = ("this run", "this run, velocity 0")


@dataclass(frozen=True)
class GlobalBoxes:
    """Boxes of one sample as a submission has them.

    Attributes:
        centres_m: In `global`.
        quaternions_wxyz: Of each.
        velocities_m_s: In `global`, over the ground.
        found: The same boxes in `ref`, with sizes, classes, scores and attributes.
    """

    centres_m: Float64[np.ndarray, "k 3"]
    quaternions_wxyz: Float64[np.ndarray, "k 4"]
    velocities_m_s: Float64[np.ndarray, "k 2"]
    found: Detections

    def standing(self) -> "GlobalBoxes":
        """The same boxes, none of which moves."""
        return replace(self, velocities_m_s=np.zeros_like(self.velocities_m_s))

    def table(self, sample: int) -> BoxTable:
        """As rows of a sample of that number."""
        found = self.found
        none = np.zeros(len(self.centres_m), np.int64)
        return BoxTable(
            samples=none + sample,
            classes=found.classes.numpy(),
            centres_m=self.centres_m,
            sizes_m=found.boxes_ref[:, 3:6].double().numpy(),
            yaws_rad=yaws_of_quaternions(self.quaternions_wxyz),
            velocities_m_s=self.velocities_m_s,
            attributes=found.attributes.numpy(),
            scores=found.scores.double().numpy(),
            points=none - 1,
            visibilities=none,
        )


@dataclass(frozen=True)
class DetectedClip:
    """A clip and what was found in it, on the CPU.

    Attributes:
        clip: The clip (b = 1).
        found: Boxes by the detector.
        boxes: The same in `global`.
        truth: True boxes; None where the data have none, or none of the ten classes.
    """

    clip: Clip
    found: Detections
    boxes: GlobalBoxes
    truth: TrueBoxes | None


class Detector:
    """A run of the task detection, and the scenes it looks at.

    Args:
        run: Run folder.
        data: Data set.
        scenes: Scenes to look at.
        version: Version folder of the data set.
        device: Where to compute.
        bare: The data are images alone: all scenes are meant, and nothing is true.
        best: Take the checkpoint with the least validation loss instead of the newest.

    Raises:
        ValueError: For anything wrong with run or data.
    """

    def __init__(
        self,
        run: Path,
        data: Path,
        scenes: SceneChoice = HELD_OUT,
        version: str | None = None,
        device: Device = "auto",
        best: bool = False,
        *,
        bare: bool = False,
    ) -> None:
        self._device = choose_accelerator(device)
        model, task, config = load_task(run, best=best)
        if not isinstance(task, Detection):
            raise ValueError(f"{run}: holds a run of the task {config.task}, not of detection")
        self._model, self._task = model.to(self._device), task
        self.class_table = class_table(task.options.class_names)
        # Every sample counts, also the first ones of a scene, which lack earlier frames.
        if bare:
            self.dataset = build_bare_dataset(config, data)
            scenes = SceneChoice(names=tuple(self.dataset.tables.scene_names))
        else:
            self.dataset = build_dataset(
                config, data, scenes, version, incomplete="keep", judged=True
            )
        tables = self.dataset.tables
        rows = choose_scenes(tables, scenes)
        self.scenes = [tables.scene(row).name for row in rows]
        self.samples = np.concatenate([tables.samples_of_scene(row) for row in rows]).tolist()
        self.trained_on = not bare and was_trained_on(run, tables, self.scenes)
        self._run, self._data, self._config = run, data, config
        self._is_labelled = _has_classes(tables.category_names, self.class_table)

    @property
    def tokens(self) -> list[str]:
        """Of all samples of the scenes."""
        return [self.dataset.tables.sample(sample).token for sample in self.samples]

    def remarks(self) -> tuple[str, ...]:
        """What is to be known of scores on these scenes."""
        tables = self.dataset.tables
        trained_on = "TRAINING scenes: the run was trained on labels of some of them."
        return (
            *((trained_on,) if self.trained_on else ()),
            *lidar_remarks(self._config),
            *pretraining_remarks(self._run, tables, self.scenes),
            *overlap_remarks(self._run, self._data, tables, self.scenes),
        )

    @property
    def key_frame(self) -> int:
        """Number of the frame of a clip whose sample it is."""
        return self._config.clip.key

    def look(self, index: int) -> DetectedClip:
        """Find the boxes of one clip."""
        return detected_clip(self._model, self._task, self.dataset, index, self._is_labelled)

    def others(self, ceilings: bool) -> dict[str, Callable[[int, Clip], GlobalBoxes]]:
        """Other answers about a clip and its number; see `Reference`."""
        tables = self.dataset.tables
        training = training_clips(self._run, self._data, tables, self._config, tables.version)
        reference = Reference(
            self._model, self._task, self._config, training, self.dataset, self._device
        )
        answers = reference.floors() | (reference.ceilings() if ceilings else {})

        def placed(answer: Answer) -> Callable[[int, Clip], GlobalBoxes]:
            def look(index: int, clip: Clip) -> GlobalBoxes:
                (found,) = answer(index, clip.to(self._device))
                return _placed(found, self.dataset, index)

            return look

        return {name: placed(answer) for name, answer in answers.items()}

    def look_at(self, indices: Sequence[int], progress: Report = silent) -> Iterator[DetectedClip]:
        """Some clips, one after the other."""
        for index in counted(indices, progress):
            yield self.look(index)

    def look_at_all(self, progress: Report = silent) -> Iterator[DetectedClip]:
        """All clips, in their order."""
        return self.look_at(range(len(self.dataset)), progress)


@torch.no_grad()
def detected_clip(
    model: TaskModel, task: Detection, dataset: NuscenesDataset, index: int, is_labelled: bool
) -> DetectedClip:
    """What a model in evaluation mode finds in one clip.

    Args:
        model: On any device.
        task: The detection that it was trained for.
        dataset: Clips.
        index: Which.
        is_labelled: Whether the data have any of the ten classes.
    """
    clip = dataset[index]
    device = next(model.parameters()).device
    (found,) = task.decode(model(clip.to(device)))
    boxes = _placed(found, dataset, index)
    truth = task.targets(clip)[0] if is_labelled and bool(clip.valid_boxes.any()) else None
    return DetectedClip(clip, boxes.found, boxes, truth)


def _placed(found: Detections, dataset: NuscenesDataset, index: int) -> GlobalBoxes:
    """What was found in a clip, on the CPU and in `global`."""
    found = Detections(*(getattr(found, n).cpu() for n in Detections.__dataclass_fields__))
    return boxes_in_global(found, global_from_ref(dataset, index))


def _has_classes(category_names: tuple[str, ...], table: ClassTable) -> bool:
    """Whether any category of a data set is one of the ten classes: else nothing is true there."""
    try:
        class_rows(category_names, table)
    except ValueError:
        return False
    return True


def global_from_ref(dataset: NuscenesDataset, index: int) -> Float64[Tensor, "4 4"]:
    """Pose of the key frame's ego frame."""
    plan = dataset.plan(index)
    return dataset.tables.global_from_ego(plan.anchors[plan.key][None])[0]


def boxes_in_global(found: Detections, pose: Float64[Tensor, "4 4"]) -> GlobalBoxes:
    """Boxes that stand upright in `ref`, expressed in `global`."""
    boxes = found.boxes_ref.double()
    turned = pose[:3, :3] @ rotation_from_yaw(boxes[:, 6])
    level = torch.cat([boxes[:, 7:], torch.zeros_like(boxes[:, :1])], dim=1)
    return GlobalBoxes(
        transform_points(pose, boxes[:, :3]).numpy(),
        quaternion_from_rotation(turned).numpy(),
        (level @ pose[:3, :3].T)[:, :2].numpy(),
        found,
    )


@torch.no_grad()
def evaluate_detector(
    detector: Detector,
    source: str,
    *,
    max_clips: int | None = None,
    allow_training_scenes: bool = False,
    ceilings: bool = False,
    progress: Report = silent,
) -> DetectionEvaluation:
    """Find and judge the boxes of all samples, or of some, by the official path; others beside.

    Args:
        detector: The run and its scenes.
        source: What is said to be judged.
        max_clips: Judge at most so many samples, evenly spread.
        allow_training_scenes: Also take scenes whose labels the run was trained on.
        ceilings: Also measure what exact depth would give, which trains a head: minutes.
        progress: Told how many clips are done, of how many.

    Raises:
        ValueError: If a scene was trained on and that is not allowed.
    """
    if detector.trained_on and not allow_training_scenes:
        raise ValueError(
            f"{source}: was trained on some of the {len(detector.scenes)} scenes asked for, whose "
            "scores would say nothing of others; choose others with --split or --scenes, or allow "
            "it with --allow-training-scenes"
        )
    indices = spread(len(detector.dataset), max_clips)
    tables, remarks = detector.dataset.tables, detector.remarks()
    samples = detector.samples
    if len(indices) < len(detector.dataset):
        keys = target_samples(detector.dataset, detector.key_frame)
        chosen = {keys[index] for index in indices}
        samples = [sample for sample in samples if tables.sample(sample).token in chosen]
        remarks = (f"{len(samples)} of {len(detector.samples)} samples alone.", *remarks)
    truth = read_truth(tables, samples, detector.class_table)
    numbers = {token: number for number, token in enumerate(truth.tokens)}
    others = detector.others(ceilings)
    found: dict[str, list[BoxTable]] = {name: [] for name in (*_OWN, *others)}
    for index, one in zip(indices, detector.look_at(indices, progress), strict=True):
        number = numbers[one.clip.key_tokens[0]]
        found[_OWN[0]].append(one.boxes.table(number))
        found[_OWN[1]].append(one.boxes.standing().table(number))
        for name, look in others.items():
            found[name].append(look(index, one.clip).table(number))
    beside = {name: join_boxes(boxes) for name, boxes in found.items()}
    own = beside.pop(_OWN[0])
    return judge(truth, own, source, detector.scenes, remarks, beside)
