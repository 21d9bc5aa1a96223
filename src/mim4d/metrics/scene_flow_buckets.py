"""Scene flow error by class and speed: bucket-normalised EPE, and three-way EPE by buckets.

Points enter with displacements in metres per sweep (see `scene_flow.per_sweep`), without ego
motion, and a group of classes each. Per group and bucket of true speed the mean error and the mean
speed are taken over all points of all clips; above the first bucket the error counts in units of
the speed, so that zero flow has 1 whatever the class. Khatri et al., arXiv 2403.04739.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mim4d.metrics.scene_flow import end_point_error

NUM_BUCKETS, BUCKET_M = 50, 0.04
LIMIT_M = 35.0


def normalised_edges() -> Float64[Tensor, " q"]:
    """50 buckets of 0.04 m per sweep up to 2 m, and one above."""
    edges = torch.arange(NUM_BUCKETS + 1, dtype=torch.float64) * BUCKET_M
    return torch.cat([edges, torch.tensor([math.inf], dtype=torch.float64)])


def three_way_edges() -> Float64[Tensor, " q"]:
    """Two buckets: standing below 0.05 m per sweep, moving above."""
    return torch.tensor([0.0, 0.05, math.inf], dtype=torch.float64)


def within_limit(points_ego: Float[Tensor, "p 3"], limit_m: float = LIMIT_M) -> Bool[Tensor, " p"]:
    """Points with |x| and |y| strictly below `limit_m`."""
    return (points_ego[:, :2].abs() < limit_m).all(dim=-1)


@dataclass(frozen=True)
class GroupError:
    """Error of one group of classes.

    Attributes:
        static: Mean error of the first bucket, metres per sweep; None where it is empty.
        dynamic: Mean over the filled buckets above of each one's error; None where all are empty.
    """

    static: float | None
    dynamic: float | None


@dataclass(frozen=True)
class FlowBuckets:
    """Sums over points by group and bucket of true speed; sums of clips add up (`+`).

    Attributes:
        edges: Edges of the buckets, metres per sweep; the lower one belongs to its bucket.
        by_speed: Whether the error of moving points counts in units of their speed.
        sums: Number of points, sum of errors, sum of true speeds.
    """

    edges: Float64[Tensor, " q"]
    by_speed: bool
    sums: Float64[Tensor, "k buckets 3"]

    @classmethod
    def normalised(cls, num_groups: int) -> "FlowBuckets":
        """Empty buckets of the normalised error."""
        edges = normalised_edges()
        return cls(edges, True, torch.zeros(num_groups, len(edges) - 1, 3, dtype=torch.float64))

    @classmethod
    def three_way(cls) -> "FlowBuckets":
        """Empty buckets of the three-way error; the groups are background and foreground."""
        return cls(three_way_edges(), False, torch.zeros(2, 2, 3, dtype=torch.float64))

    def add(
        self,
        predicted: Float[Tensor, "p 3"],
        truth: Float[Tensor, "p 3"],
        group: Int[Tensor, " p"],
        valid: Bool[Tensor, " p"],
    ) -> "FlowBuckets":
        """These sums with the points of one more clip.

        Args:
            predicted: Metres per sweep.
            truth: Metres per sweep.
            group: Group of each point's class; -1 for classes that belong to none.
            valid: Points that count (see `within_limit`).

        Raises:
            ValueError: If a group does not exist.
        """
        num_groups = len(self.sums)
        if len(group) and not -1 <= int(group.min()) <= int(group.max()) < num_groups:
            raise ValueError(
                f"groups {int(group.min())} to {int(group.max())}: expected -1 to {num_groups - 1}"
            )
        kept = valid & (group >= 0)
        speed, error = truth[kept].double().norm(dim=-1), end_point_error(predicted, truth)[kept]
        # The lower edge belongs to its bucket, as `right=True` has it.
        bucket = torch.bucketize(speed, self.edges.to(speed.device), right=True) - 1
        values = torch.stack([torch.ones_like(speed), error, speed], dim=-1)
        row = (group[kept].long() * self.sums.shape[1] + bucket).cpu()
        flat = self.sums.flatten(0, 1).index_add(0, row, values.cpu())
        return FlowBuckets(self.edges, self.by_speed, flat.view_as(self.sums))

    def __add__(self, other: "FlowBuckets") -> "FlowBuckets":
        if self.by_speed != other.by_speed or self.sums.shape != other.sums.shape:
            raise ValueError("only sums of the same groups and buckets add up")
        return FlowBuckets(self.edges, self.by_speed, self.sums + other.sums)

    def of_group(self, group: int) -> GroupError:
        """Error of one group."""
        count, error, speed = self.sums[group].unbind(-1)
        moving = count[1:] > 0
        scale = speed[1:] if self.by_speed else count[1:]
        ratios = (error[1:] / scale)[moving]
        return GroupError(
            static=(error[0] / count[0]).item() if count[0] else None,
            dynamic=ratios.mean().item() if len(ratios) else None,
        )

    @property
    def mean(self) -> GroupError:
        """Mean over the groups that have a value."""
        groups = [self.of_group(group) for group in range(len(self.sums))]
        return GroupError(
            static=_mean([group.static for group in groups]),
            dynamic=_mean([group.dynamic for group in groups]),
        )

    @property
    def three_way_epe(self) -> float | None:
        """Mean of background static, foreground static and foreground dynamic, metres per sweep.

        One without points is left out.

        Raises:
            ValueError: If these are not the buckets of `three_way`.
        """
        if self.by_speed or len(self.sums) != 2:
            raise ValueError("the three-way error needs the buckets of `three_way`")
        background, foreground = self.of_group(0), self.of_group(1)
        return _mean([background.static, foreground.static, foreground.dynamic])


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
