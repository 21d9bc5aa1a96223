"""What a run of BEV segmentation says of clips, beside what is true, as arrays on the CPU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.config import Device
from mim4d.data.clip import Clip
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.asked_clips import AskedClip, ask_run
from mim4d.files import replacing
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.progress import Report, silent
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
        occupied: True.
        ignored: Cells of objects that hardly anybody could have seen.
    """

    clip: Clip
    index: int
    trained_on: bool
    layers: tuple[str, ...]
    cells: VoxelGrid
    probabilities: Float[Tensor, "l y x"]
    occupied: Bool[Tensor, "l y x"]
    ignored: Bool[Tensor, "l y x"]

    @property
    def name(self) -> str:
        """For files."""
        scene = self.clip.scene_names[0]
        return f"{self.index:05d}-{''.join(c if c.isalnum() or c in '-_' else '-' for c in scene)}"

    def save_arrays(self, folder: Path) -> Path:
        """Write everything but the images as one .npz, whole or not at all."""
        path = folder / f"{self.name}.npz"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                probabilities=self.probabilities.numpy(),
                occupied=self.occupied.numpy(),
                ignored=self.ignored.numpy(),
                layers=np.array(self.layers),
                lower_xy_m=np.array(self.cells.lower_m[:2]),
                upper_xy_m=np.array(self.cells.upper_m[:2]),
                scene=np.array(self.clip.scene_names[0]),
                key_token=np.array(self.clip.key_tokens[0]),
            )
        return path


def paint_clips(
    run: Path,
    data: Path,
    *,
    clips: int,
    scenes: SceneChoice,
    version: str | None = None,
    device: Device = "auto",
    progress: Report = silent,
) -> Iterator[PaintedClip]:
    """Ask a run about some clips, spread over the scenes.

    Args:
        run: Folder of a run of the task bev_segmentation.
        data: Data set.
        clips: How many.
        scenes: Which scenes.
        version: Version folder of the data set.
        device: Where to compute.
        progress: Told how many clips are done, of how many.

    Raises:
        ValueError: For anything wrong with run or data, or if a prediction is not finite.
    """
    task, asked = ask_run(
        run,
        data,
        BevSegmentation,
        clips=clips,
        scenes=scenes,
        version=version,
        device=device,
        progress=progress,
    )
    for one in asked:
        painted = painted_clip(task, one)
        if not bool(painted.probabilities.isfinite().all()):
            raise ValueError(f"{run}: predicts numbers that are not finite; its weights are broken")
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
        occupied=one.truth.occupied[0],
        ignored=one.truth.ignored[0],
    )
