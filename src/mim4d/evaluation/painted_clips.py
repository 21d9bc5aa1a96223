"""What a run of BEV segmentation says of clips, beside what is true, as arrays on the CPU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.asked_clips import Asked, AskedClip, ask_run
from mim4d.files import replacing
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.bev_segmentation import BevSegmentation


@dataclass(frozen=True)
class PaintedClip:
    """One clip, what is predicted of it and what is true.

    Attributes:
        clip: The clip (b = 1).
        index: Its number in the data set.
        trained_on: Whether the head was trained on its scene.
        layers: Names of the layers.
        cells: One layer of voxels in ego axes; rows go with y, columns with x.
        probabilities: Predicted.
        occupied: True; None of data without truth.
        ignored: Cells of objects that hardly anybody could have seen; None likewise.
    """

    clip: Clip
    index: int
    trained_on: bool
    layers: tuple[str, ...]
    cells: VoxelGrid
    probabilities: Float[Tensor, "l y x"]
    occupied: Bool[Tensor, "l y x"] | None
    ignored: Bool[Tensor, "l y x"] | None

    @property
    def name(self) -> str:
        """For files."""
        scene = self.clip.scene_names[0]
        return f"{self.index:05d}-{''.join(c if c.isalnum() or c in '-_' else '-' for c in scene)}"

    def save_arrays(self, folder: Path) -> Path:
        """Write everything but the images as one .npz, whole or not at all."""
        path = folder / f"{self.name}.npz"
        truth = {"occupied": self.occupied, "ignored": self.ignored}
        known: dict[str, Any] = {k: v.numpy() for k, v in truth.items() if v is not None}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                probabilities=self.probabilities.numpy(),
                **known,
                layers=np.array(self.layers),
                lower_xy_m=np.array(self.cells.lower_m[:2]),
                upper_xy_m=np.array(self.cells.upper_m[:2]),
                scene=np.array(self.clip.scene_names[0]),
                key_token=np.array(self.clip.key_tokens[0]),
            )
        return path


def paint_clips(run: Path, data: Path, **asked: Unpack[Asked]) -> Iterator[PaintedClip]:
    """Ask a run of the task bev_segmentation about some clips; see `ask_run`.

    Raises:
        ValueError: For anything wrong with run or data, or if a prediction is not finite.
    """
    task, answers = ask_run(run, data, BevSegmentation, **asked)
    for one in answers:
        painted = painted_clip(task, one)
        if not bool(painted.probabilities.isfinite().all()):
            raise ValueError(f"{run}: predicts NaN or infinite values; its weights are unusable")
        yield painted


def painted_clip(task: BevSegmentation, one: AskedClip) -> PaintedClip:
    """One answer, ready to be drawn."""
    return PaintedClip(
        clip=one.clip,
        index=one.index,
        trained_on=one.trained_on,
        layers=tuple(task.options.layers),
        cells=task.cells,
        probabilities=one.answer[0].cpu(),
        occupied=None if one.truth is None else one.truth.occupied[0],
        ignored=None if one.truth is None else one.truth.ignored[0],
    )
