"""From a velocity field and true velocities, clip by clip, to the numbers of one row of scene flow.

The velocity at a point is that of the voxel in which it lies. Velocities are m/s along the frame's
ego axes; errors by kind of point are those of the Argoverse 2 tools, metres moved in 0.1 s.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.evaluation.flow.truth import GROUPS, MOVING_M_S, FlowTruth
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.moving_flow import MovingFlow
from mim4d.metrics.scene_flow import FlowErrors, FlowPoints, Ground, Motion, is_close, per_sweep
from mim4d.metrics.scene_flow_buckets import FlowBuckets, GroupError, within_limit

NEAR_M = 20.0
"""The headline's points are at most so far from the car, seen from above."""
VOXELS_PER_FRAME = (1.0, 4.0)
"""How many voxels they move between two frames: fewer cannot be seen, more leave the search."""
KINDS: dict[str, tuple[Ground, Motion]] = {
    "foreground_dynamic": ("foreground", "dynamic"),
    "foreground_static": ("foreground", "static"),
    "background_static": ("background", "static"),
}
_MEASURES = ("epe", "accuracy_strict", "accuracy_relax", "angle_rad")


@dataclass(frozen=True)
class MovingScores:
    """How well the flow of what moves is found; see `metrics.moving_flow`. None without points.

    Attributes:
        points: Points, or objects, that counted.
        normalised_epe: Σ|v̂ − v| / Σ|v|: 0 is perfect, 1 is zero flow.
        median_angle_deg: Of the BEV angle error; a predicted speed under 0.5 m/s counts as 90°.
        mean_angle_deg: Of the same.
    """

    points: int
    normalised_epe: float | None
    median_angle_deg: float | None
    mean_angle_deg: float | None

    @classmethod
    def of(cls, errors: list[MovingFlow]) -> "MovingScores":
        """Scores of all clips together."""
        total = MovingFlow(
            torch.cat([each.errors_m_s for each in errors]),
            torch.cat([each.speeds_m_s for each in errors]),
            torch.cat([each.angles_deg for each in errors]),
        )
        angles = total.median_angle_deg, total.mean_angle_deg
        return cls(total.num_points, total.normalised_epe, *angles)


@dataclass(frozen=True)
class StandingScores:
    """Flow of what stands (at most 0.5 m/s): number of points, mean predicted speed, share above.

    Speed and share are None without points.
    """

    points: int
    mean_speed_m_s: float | None
    share_moving: float | None


@dataclass(frozen=True)
class KindScores:
    """Errors of one kind of points as in Argoverse 2; None without points.

    Attributes:
        points: How many.
        epe_m: Mean end-point error, metres in 0.1 s.
        accuracy_strict: Share with an error below 0.05 m in 0.1 s, or below 5 %.
        accuracy_relax: Share with an error below 0.1 m in 0.1 s, or below 10 %.
        angle_rad: Mean angle in space and time.
    """

    points: int
    epe_m: float | None
    accuracy_strict: float | None
    accuracy_relax: float | None
    angle_rad: float | None


@dataclass(frozen=True)
class FlowRow:
    """Everything measured of one velocity field.

    Attributes:
        near: Points of objects within 20 m that move 1 to 4 voxels between frames: the headline.
        near_objects: The same by object: mean velocities over the points of each in each clip.
        moving: All points that move faster than 0.5 m/s.
        standing: All others.
        kinds: Argoverse 2 errors by kind of point, see `KINDS`, and of `all` points.
        three_way_epe_m: Mean of the three kinds' errors, metres in 0.1 s.
        dynamic_iou: Points rightly said to move (above 0.5 m/s) / points that do or are said to.
        groups: By group of classes, within 35 m along x and y: mean error of what stands (metres in
            0.1 s), and the error of what moves in units of its speed, bucket by bucket of speed.
        mean_of_groups: Mean over the groups that have a value.
    """

    near: MovingScores
    near_objects: MovingScores
    moving: MovingScores
    standing: StandingScores
    kinds: dict[str, KindScores]
    three_way_epe_m: float | None
    dynamic_iou: float | None
    groups: dict[str, GroupError]
    mean_of_groups: GroupError


class FlowScores:
    """Collects one row, clip by clip.

    Args:
        grid: The voxels; its longer horizontal side is what a voxel of motion is.
    """

    def __init__(self, grid: VoxelGrid) -> None:
        self._grid = grid
        self._near: list[MovingFlow] = []
        self._near_objects: list[MovingFlow] = []
        self._moving: list[MovingFlow] = []
        self._standing = torch.zeros(3, dtype=torch.float64)
        self._errors: FlowErrors | None = None
        self._buckets = FlowBuckets.normalised(len(GROUPS))

    def add(self, scene_flow: Float[Tensor, "3 z y x"] | None, truth: FlowTruth) -> None:
        """The field of one clip, on the grid; None says that everything stands."""
        predicted = torch.zeros_like(truth.velocities_m_s)
        if scene_flow is not None:
            predicted = at_points(scene_flow.float().cpu(), truth.points_ego, self._grid)
        self._add_moving(predicted, truth)
        self._add_kinds(predicted, truth)

    def row(self) -> FlowRow | None:
        """The row; None without any point."""
        errors = self._errors
        if errors is None or errors.sums[..., 0].sum() == 0:
            return None
        count, speed, moving = self._standing.tolist()
        standing = StandingScores(
            int(count), speed / count if count else None, moving / count if count else None
        )
        kinds = {name: _kind(errors, *kind) for name, kind in KINDS.items()}
        return FlowRow(
            MovingScores.of(self._near),
            MovingScores.of(self._near_objects),
            MovingScores.of(self._moving),
            standing,
            {**kinds, "all": _all_kinds(errors)},
            errors.three_way_epe,
            errors.dynamic_iou,
            {name: self._buckets.of_group(k) for k, name in enumerate(GROUPS)},
            self._buckets.mean,
        )

    def _add_moving(self, predicted: Float[Tensor, "p 3"], truth: FlowTruth) -> None:
        speed = truth.velocities_m_s.norm(dim=-1)
        moving, near = speed > MOVING_M_S, near_movers(truth, self._grid)
        self._moving.append(MovingFlow.of(predicted, truth.velocities_m_s, moving))
        self._near.append(MovingFlow.of(predicted, truth.velocities_m_s, near))
        means = [_means(v[near], truth.objects[near]) for v in (predicted, truth.velocities_m_s)]
        everything = torch.ones(len(means[0]), dtype=torch.bool)
        self._near_objects.append(MovingFlow.of(means[0], means[1], everything))
        said = predicted[~moving].double().norm(dim=-1)
        above = (said > MOVING_M_S).sum()
        self._standing += torch.tensor([len(said), said.sum(), above], dtype=torch.float64)

    def _add_kinds(self, predicted: Float[Tensor, "p 3"], truth: FlowTruth) -> None:
        flow, true_flow = per_sweep(predicted), per_sweep(truth.velocities_m_s)
        points = FlowPoints(
            predicted=flow,
            truth=true_flow,
            foreground=truth.objects > 0,
            dynamic=truth.velocities_m_s.norm(dim=-1) > MOVING_M_S,
            close=is_close(truth.points_ego),
            predicted_dynamic=predicted.norm(dim=-1) > MOVING_M_S,
            valid=torch.ones(len(flow), dtype=torch.bool),
        )
        errors = FlowErrors.of(points)
        self._errors = errors if self._errors is None else self._errors + errors
        counted = within_limit(truth.points_ego)
        self._buckets = self._buckets.add(flow, true_flow, truth.groups, counted)


def at_points(
    scene_flow: Float[Tensor, "3 z y x"], points_ego: Float[Tensor, "p 3"], grid: VoxelGrid
) -> Float[Tensor, "p 3"]:
    """Velocity of the voxel in which each point lies; of the nearest one for points outside."""
    highest = torch.tensor(grid.shape_xyz) - 1
    cell = grid.to_grid(points_ego).floor().long().clamp(min=0).minimum(highest)
    x, y, z = cell.unbind(dim=-1)
    return scene_flow[:, z, y, x].T


def near_movers(truth: FlowTruth, grid: VoxelGrid) -> Bool[Tensor, " p"]:
    """Points of objects within 20 m that move 1 to 4 voxels between consecutive frames."""
    low, high = VOXELS_PER_FRAME
    moved_m = truth.velocities_m_s.norm(dim=-1) * truth.spacing_s
    voxels = moved_m / max(grid.voxel_size_m[:2])
    near = truth.points_ego[:, :2].norm(dim=-1) <= NEAR_M
    return near & (truth.objects > 0) & (voxels >= low) & (voxels <= high)


def _means(values: Float[Tensor, "p 3"], objects: Tensor) -> Float[Tensor, "k 3"]:
    """Mean of each object's values, by rising number."""
    numbers, place = objects.unique(return_inverse=True)
    total = values.new_zeros(len(numbers), 3).index_add(0, place, values)
    return total / place.bincount(minlength=len(numbers)).unsqueeze(-1)


def _kind(errors: FlowErrors, ground: Ground, motion: Motion) -> KindScores:
    means = (errors.mean(name, ground, motion) for name in _MEASURES)
    return KindScores(errors.count(ground, motion), *means)


def _all_kinds(errors: FlowErrors) -> KindScores:
    count = int(errors.sums[..., 0].sum())
    return KindScores(count, *(errors.overall(name) for name in _MEASURES))
