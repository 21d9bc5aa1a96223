"""What is true of the evaluated frame: distances, road, what moves, colours, LiDAR beams.

Distances are the data set's exact ones where it has them (the embedded world), else those of the
nearest LiDAR return in each cell of the lattice. LiDAR is read for evaluation even if the run was
trained without; frames keep the times and poses of training. Metres, in images of the lattice.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.frame_sweep import FrameSweep, nearest_sweep
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.pixel_depths import exact_depth
from mim4d.data.truth.exact import has_instances, has_truth, read_distance
from mim4d.evaluation.flow.truth import (
    MOVING_M_S,
    FlowTruth,
    SeenMotion,
    box_flow,
    inside_boxes,
    read_seen_motion,
)
from mim4d.evaluation.view import MAX_M, MIN_M, EvaluatedView
from mim4d.geometry.depth_map import nearest_points
from mim4d.geometry.ground_plane import is_road
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.rendering.rays import distance_to_ground


@dataclass(frozen=True)
class FrameTruth:
    """The evaluated frame as it is, in images of the lattice.

    Attributes:
        distances_m: Along each ray; NaN where it is unknown or does not count.
        moving: Where something is seen that moves faster than `MOVING_M_S`; False if unknown.
        road: Where the flat ground is seen, see `on_road`; all else is an obstacle.
        colours: RGB in [0, 1].
        shown: Rays that exist, cross the grid and do not end on the own car.
        sweep: The frame's LiDAR sweep; None if there is none.
        flow: Points whose velocity is known; None where it is not, or nobody asked.
    """

    distances_m: Float[Tensor, "n h w"]
    moving: Bool[Tensor, "n h w"]
    road: Bool[Tensor, "n h w"]
    colours: Float[Tensor, "n h w 3"]
    shown: Bool[Tensor, "n h w"]
    sweep: FrameSweep | None
    flow: FlowTruth | None = None

    def only(self, pixels: Bool[Tensor, "n h w"]) -> "FrameTruth":
        """The same of some pixels alone: nothing is known or shown elsewhere."""
        distances = torch.where(pixels, self.distances_m, torch.nan)
        return replace(self, distances_m=distances, shown=self.shown & pixels)


@dataclass(frozen=True)
class TruthReader:
    """Reads what is true of the clips of a data set.

    Attributes:
        dataset: Read without augmentation.
        view: The frame and the rays.
        with_flow: Read scene flow as well.

    Raises:
        ValueError: If the data set has neither exact distances nor a LiDAR.
    """

    dataset: NuscenesDataset
    view: EvaluatedView
    with_flow: bool = False

    def __post_init__(self) -> None:
        root = self.dataset.tables.root
        if not has_truth(root) and self.lidar is None:
            raise ValueError(
                f"{root}: has neither exact distances nor a LiDAR to measure against; choose a "
                "data set that has one of them"
            )

    @property
    def lidar(self) -> str | None:
        """The LiDAR of the dataset, else any that the data set has."""
        found = self.dataset.tables.channels("lidar")
        return self.dataset.lidar or (found[0] if found else None)

    @property
    def name(self) -> str:
        """What serves as truth."""
        return "exact distance" if has_truth(self.dataset.tables.root) else "LiDAR"

    @property
    def exact_motion(self) -> bool:
        """Whether the data set says exactly how everything moves."""
        root = self.dataset.tables.root
        return has_truth(root) and has_instances(root)

    @property
    def moving_name(self) -> str:
        """What says what moves, and how."""
        return "exact scene flow" if self.exact_motion else "annotated boxes"

    def read(self, index: int, clip: Clip) -> FrameTruth:
        """Everything about the evaluated frame of one clip (as the dataset gives it)."""
        sweep = self.sweep(index)
        distances = self.distances(index, clip, sweep)
        seen = read_seen_motion(self.dataset, index, self.view) if self.exact_motion else None
        flow = None
        if self.with_flow and seen is not None:
            flow = seen.points(distances, clip, self.view)
        elif self.with_flow:
            flow = box_flow(self.dataset, index, clip, self.view, sweep)
        return FrameTruth(
            distances,
            self._moving(clip, sweep, seen),
            on_road(distances, clip, self.view),
            self.view.colours(clip),
            self.view.shown(clip),
            sweep,
            flow,
        )

    def sweep(self, index: int) -> FrameSweep | None:
        """The LiDAR sweep nearest in time to the frame."""
        if self.lidar is None:
            return None
        plan, keyframes = self.dataset.plan(index), self.dataset.only_keyframes
        return nearest_sweep(self.dataset.tables, plan, self.view.frame, self.lidar, keyframes)

    def distances(
        self, index: int, clip: Clip, sweep: FrameSweep | None = None
    ) -> Float[Tensor, "n h w"]:
        """True distance along each ray, metres; NaN where it is unknown or does not count.

        It counts between 1 and 60 m and inside the grid, and not where a camera sees its own car.

        Args:
            index: Of the clip.
            clip: The clip.
            sweep: The frame's sweep, if it has been read; only LiDAR truth needs it.
        """
        view = self.view
        if has_truth(self.dataset.tables.root):
            distance = self._exact_distances(index)
        else:
            distance = lidar_distance(sweep or self.sweep(index), clip, view)
        rays, flat = view.rays(clip), distance.flatten()
        points = rays.origins[0] + rays.directions[0] * flat.unsqueeze(-1)
        counts = view.shown(clip) & view.images(view.grid.contains(points))
        counts &= (distance > MIN_M) & (distance < MAX_M)
        return torch.where(counts, distance, torch.nan)

    def depths(self, index: int, clip: Clip) -> Float[Tensor, "n h w"] | None:
        """Exact depth of every pixel of the frame's padded images, metres; 0 where there is none.

        None without exact distances.

        Args:
            index: Of the clip.
            clip: The clip.
        """
        return exact_depths(self.dataset, index, clip, self.view.frame)

    def _exact_distances(self, index: int) -> Float[Tensor, "n h w"]:
        root, lattice = self.dataset.tables.root, self.view.lattice
        files = self.dataset.image_files(index)[self.view.frame]
        empty = torch.zeros(lattice)
        shown = self.dataset.shown_box
        return torch.stack(
            [read_distance(root, Path(f), lattice, shown) if f else empty for f in files]
        )

    def _moving(
        self, clip: Clip, sweep: FrameSweep | None, seen: SeenMotion | None
    ) -> Bool[Tensor, "n h w"]:
        if seen is not None:
            return seen.velocities_m_s.norm(dim=-1) > MOVING_M_S
        if has_truth(self.dataset.tables.root):
            return torch.zeros(clip.num_cameras, *self.view.lattice, dtype=torch.bool)
        return moving_returns(sweep, clip, self.view)


def exact_depths(
    dataset: NuscenesDataset, index: int, clip: Clip, frame: int
) -> Float[Tensor, "n h w"] | None:
    """Exact depth of every pixel of a frame's padded images, metres; 0 where there is none.

    None without exact distances.

    Args:
        dataset: Read without augmentation.
        index: Of the clip.
        clip: The clip.
        frame: Of the clip.
    """
    root = dataset.tables.root
    if not has_truth(root):
        return None
    depths = torch.zeros(clip.num_cameras, *clip.images.shape[-2:])
    for n, file in enumerate(dataset.image_files(index)[frame]):
        if file is None:
            continue
        height, width = clip.image_sizes[0, frame, n].tolist()
        depths[n, :height, :width] = exact_depth(
            root, Path(file), (height, width), clip.intrinsics[0, frame, n], dataset.shown_box
        )
    return depths


def on_road(
    distances_m: Float[Tensor, "n h w"], clip: Clip, view: EvaluatedView
) -> Bool[Tensor, "n h w"]:
    """Which pixels show the road; see `is_road`."""
    ground = view.images(distance_to_ground(view.rays(clip))[0])
    return is_road(distances_m, ground)


def lidar_distance(
    sweep: FrameSweep | None, clip: Clip, view: EvaluatedView
) -> Float[Tensor, "n h w"]:
    """Distance of the nearest LiDAR return in each cell of the lattice; 0 where none is."""
    n, frame = clip.num_cameras, view.frame
    if sweep is None:
        return torch.zeros(n, *view.lattice)
    points_ref = sweep.points_ref.expand(n, -1, -1)
    points_camera = transform_points(invert_rigid(clip.ref_from_camera[0, frame]), points_ref)
    _, distance, _ = nearest_points(
        points_camera,
        torch.ones(points_ref.shape[:2], dtype=torch.bool),
        clip.intrinsics[0, frame],
        clip.image_sizes[0, frame].float(),
        view.lattice,
    )
    return distance


def moving_returns(
    sweep: FrameSweep | None, clip: Clip, view: EvaluatedView
) -> Bool[Tensor, "n h w"]:
    """Cells whose nearest return lies in an annotated box that moves."""
    nearest = lidar_distance(sweep, clip, view)
    if sweep is None:
        return nearest > 0
    boxes = clip.boxes_ref[0, view.frame]
    moves = clip.valid_velocities[0, view.frame] & (boxes[:, 7:].norm(dim=-1) > MOVING_M_S)
    inside = inside_boxes(sweep.points_ref, boxes[moves]).any(dim=1)
    on_movers = FrameSweep(sweep.points_ref[inside], sweep.origin_ref)
    return (nearest > 0) & (lidar_distance(on_movers, clip, view) == nearest)
