"""What a run of the task occupancy says of voxels in a few clips, with the truth, for pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from mim4d.config import Device
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.asked_clips import AskedClip, ask_run
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.progress import Report, silent
from mim4d.tasks.occupancy import Occupancy


@dataclass(frozen=True)
class OccupancyView:
    """One clip's voxels.

    Attributes:
        title: Scene and number of the clip.
        grid: Of the voxels.
        class_names: Of the classes from 1 on; 0 is free, -1 not known.
        true: What was seen.
        drawn: What the run says of every voxel.
    """

    title: str
    grid: VoxelGrid
    class_names: tuple[str, ...]
    true: Int64[Tensor, "z y x"]
    drawn: Int64[Tensor, "z y x"]


def occupancy_views(
    run: Path,
    data: Path,
    *,
    clips: int,
    scenes: SceneChoice,
    version: str | None = None,
    device: Device = "auto",
    progress: Report = silent,
) -> Iterator[OccupancyView]:
    """Clips spread over the scenes, as a run sees them; see `ask_run`."""
    task, asked = ask_run(
        run,
        data,
        Occupancy,
        clips=clips,
        scenes=scenes,
        version=version,
        device=device,
        progress=progress,
    )
    for one in asked:
        yield occupancy_view(task, one)


def occupancy_view(task: Occupancy, one: AskedClip) -> OccupancyView:
    """One answer, ready to be drawn."""
    drawn, truth = one.answer[0].cpu(), one.truth.labels[0]
    return OccupancyView(one.title, task.grid, task.class_names, truth, drawn)
