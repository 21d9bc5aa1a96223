"""Points of the evaluated frame whose velocity over ground is known, for measuring scene flow.

From the embedded world, what each camera pixel of the lattice shows, exactly; else LiDAR returns,
which move with the annotated box that they lie in or stand. Metres and m/s along the frame's ego
axes; the car's own motion is no part of a velocity.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mim4d.data.boxes import boxes_of_samples, yaw_rates
from mim4d.data.clip import Clip
from mim4d.data.frame_sweep import FrameSweep
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.reader import ClipPlan
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import read_instances, read_motion, read_scene_flow
from mim4d.evaluation.beams import looked_at
from mim4d.evaluation.view import EvaluatedView
from mim4d.geometry.rigid import invert_rigid, rotation_from_yaw, transform_points

MOVING_M_S = 0.5
"""Speed above which something counts as moving, metres per second."""

MARGIN_M = 0.6
"""What is so close to a moving box may be part of it: 12 m/s for half a turn of a LiDAR, 1/20 s."""

GROUPS = ("background", "car", "other_vehicle", "pedestrian", "wheeled")
"""Groups of classes whose flow is measured by itself; the last is bicycles and motorcycles."""
_GROUP_OF_NAME = {
    "vehicle.car": 1,
    "vehicle.bicycle": 4,
    "vehicle.motorcycle": 4,
    "vehicle": 2,
    "human": 3,
}


def group_of(category: str) -> int:
    """Index into `GROUPS` of a nuScenes category; -1 for cones, animals and other things."""
    starts = (name for name in _GROUP_OF_NAME if f"{category}.".startswith(f"{name}."))
    return next((_GROUP_OF_NAME[name] for name in starts), -1)


@dataclass(frozen=True)
class FlowTruth:
    """Points of one frame whose velocity is known, inside the grid.

    Attributes:
        points_ego: Where they are, metres.
        velocities_m_s: Over ground, along the frame's ego axes.
        objects: Number of the object each is part of; 0 for none.
        groups: Index into `GROUPS`; -1 for objects of other classes.
        spacing_s: Time between consecutive frames of the clip; 0 where there are none.
    """

    points_ego: Float[Tensor, "p 3"]
    velocities_m_s: Float[Tensor, "p 3"]
    objects: Int64[Tensor, " p"]
    groups: Int64[Tensor, " p"]
    spacing_s: float


@dataclass(frozen=True)
class SeenMotion:
    """How what every pixel of the lattice shows moves, exactly.

    Attributes:
        velocities_m_s: Over ground, along the frame's ego axes; 0 where nothing is hit.
        objects: Number of the object; 0 for none.
        groups: Index into `GROUPS`; -1 for objects of other classes.
    """

    velocities_m_s: Float[Tensor, "n h w 3"]
    objects: Int64[Tensor, "n h w"]
    groups: Int64[Tensor, "n h w"]

    def points(
        self, distances_m: Float[Tensor, "n h w"], clip: Clip, view: EvaluatedView
    ) -> FlowTruth:
        """The pixels whose distance along the ray is known (not NaN), as points."""
        rays, flat = view.rays(clip), distances_m.flatten()
        known = ~flat.isnan()
        points = rays.origins[0] + rays.directions[0] * flat.unsqueeze(-1)
        return FlowTruth(
            points[known],
            self.velocities_m_s.flatten(0, 2)[known],
            self.objects.flatten()[known],
            self.groups.flatten()[known],
            frame_spacing_s(clip),
        )


def frame_spacing_s(clip: Clip) -> float:
    """Mean time between consecutive frames of a clip (b = 1) that exist; 0 where there are none."""
    present = clip.frame_present[0]
    steps = clip.frame_times_s[0].diff()[present[1:] & present[:-1]]
    return steps.mean().item() if len(steps) else 0.0


def read_seen_motion(dataset: NuscenesDataset, index: int, view: EvaluatedView) -> SeenMotion:
    """Exact motion of what the evaluated frame of a clip of the embedded world shows.

    Raises:
        DataError: If a file of the truth is missing or damaged.
    """
    tables, plan, lattice = dataset.tables, dataset.plan(index), view.lattice
    motion = read_motion(tables, plan.scene)
    group_of_object = torch.tensor([0, *map(group_of, motion.categories)])
    ego_from_global = _ego_from_global(tables, plan, view.frame)
    velocities, objects = [], []
    for row in plan.images[view.frame].tolist():
        if row < 0:
            velocities.append(torch.zeros(*lattice, 3))
            objects.append(torch.zeros(lattice, dtype=torch.long))
            continue
        shown = dataset.shown_box
        flow, _ = read_scene_flow(tables, row, motion, lattice, ego_from_global, shown)
        velocities.append(flow)
        file = tables.sample_data(row).filename
        objects.append(read_instances(tables.root, Path(file), lattice, shown))
    seen = torch.stack(objects)
    return SeenMotion(torch.stack(velocities), seen, group_of_object[seen])


def box_flow(
    dataset: NuscenesDataset, index: int, clip: Clip, view: EvaluatedView, sweep: FrameSweep | None
) -> FlowTruth | None:
    """Rigid flow of the LiDAR returns that a camera of the evaluated frame looks at.

    A return inside an annotated box moves with it (the smallest one where boxes overlap): velocity
    and turning between the annotations before and after. Where these say nothing, its velocity is
    not known and the return is left out. So are returns close to a box that moves: an object is
    hit up to half a turn of the LiDAR before or after its annotation. Everything else stands.

    Returns:
        The points; None without a sweep, in a frame that is not annotated (all but key frames), and
        in a data set without annotations.
    """
    tables, plan = dataset.tables, dataset.plan(index)
    sample = plan.samples_of_frames(tables)[view.frame]
    if sweep is None or sample < 0 or not len(tables.column("sample_annotation", "sample")):
        return None
    points = transform_points(invert_rigid(clip.ref_from_ego[0, view.frame]), sweep.points_ref)
    points = points[view.grid.contains(points) & looked_at(points, clip, view)]
    boxes = boxes_of_samples(tables, [sample], _ego_from_global(tables, plan, view.frame))
    rates = torch.from_numpy(yaw_rates(tables, tables.annotations_of_sample(sample))).float()
    box = smallest_box(points, boxes.boxes_ref)
    known = torch.ones_like(box, dtype=torch.bool)
    velocities, groups = torch.zeros_like(points), torch.zeros_like(box)
    on_box = box >= 0
    found = box[on_box]
    known[on_box] = boxes.valid_velocities[found]
    known[~on_box] = ~beside_movers(points[~on_box], boxes.boxes_ref)
    velocities[on_box] = rigid_velocities(points[on_box], boxes.boxes_ref[found], rates[found])
    groups[on_box] = torch.tensor([*map(group_of, tables.category_names)])[boxes.classes[found]]
    spacing = frame_spacing_s(clip)
    return FlowTruth(points[known], velocities[known], 1 + box[known], groups[known], spacing)


def rigid_velocities(
    points: Float[Tensor, "p 3"], boxes: Float[Tensor, "p 9"], yaw_rates_rad_s: Float[Tensor, " p"]
) -> Float[Tensor, "p 3"]:
    """Velocity of points as part of a box each: v + ω × r, along the ground; m/s."""
    arm = points[:, :2] - boxes[:, :2]
    turning = torch.stack([-arm[:, 1], arm[:, 0]], dim=-1) * yaw_rates_rad_s.unsqueeze(-1)
    return torch.nn.functional.pad(boxes[:, 7:] + turning, (0, 1))


def beside_movers(points: Float[Tensor, "p 3"], boxes: Float[Tensor, "k 9"]) -> Bool[Tensor, " p"]:
    """Which points lie in a box that moves, or at most `MARGIN_M` outside."""
    moving = boxes[boxes[:, 7:].norm(dim=-1) > MOVING_M_S].clone()
    moving[:, 3:6] += 2 * MARGIN_M
    return inside_boxes(points, moving).any(dim=1)


def smallest_box(points: Float[Tensor, "p 3"], boxes: Float[Tensor, "k 9"]) -> Int64[Tensor, " p"]:
    """The smallest box that each point lies in; -1 for none."""
    if not len(boxes):
        return torch.full((len(points),), -1)
    volumes = boxes[:, 3:6].prod(dim=-1).expand(len(points), -1)
    smallest = volumes.masked_fill(~inside_boxes(points, boxes), torch.inf).min(dim=1)
    return smallest.indices.masked_fill(smallest.values.isinf(), -1)


def inside_boxes(points: Float[Tensor, "p 3"], boxes: Float[Tensor, "k 9"]) -> Bool[Tensor, "p k"]:
    """Which points lie in which boxes (centre, length, width, height, yaw, velocity), metres."""
    box_from_ref = rotation_from_yaw(-boxes[:, 6])  # k 3 3
    offsets = torch.einsum("kij,pkj->pki", box_from_ref, points[:, None] - boxes[:, :3])
    return (offsets.abs() <= boxes[:, 3:6] / 2).all(dim=-1)


def _ego_from_global(tables: NuscenesTables, plan: ClipPlan, frame: int) -> Tensor:
    return invert_rigid(tables.global_from_ego(np.array([plan.anchors[frame]]))[0])
