"""What a picture of scene flow shows, computed: the field a run found, and the truth, from above.

A clip of a data set and a model with a flow enter; what leaves is on the CPU, in the evaluated
frame's ego axes, metres and m/s over ground: a lattice of cells, each with what holds it and how
that moves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation import EvaluatedView, FlowRow, FlowTruth, TruthReader, frame_volumes
from mim4d.evaluation.flow.scores import FlowScores, at_points
from mim4d.evaluation.flow.truth import MOVING_M_S
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import invert_rigid, rotation_from_yaw, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining.model import MaskedVideoModel

HEIGHTS_M = (0.4, 3.0, 14)
"""Lowest and highest place that is looked at above the ground, metres, and how many."""


@dataclass(frozen=True)
class Cells:
    """Squares on the ground that cover a grid seen from above, in ego axes.

    Attributes:
        reach_m: From the car to each side.
        count: Squares along a side.
    """

    reach_m: float
    count: int

    @classmethod
    def of(cls, grid: VoxelGrid) -> "Cells":
        """As large as the voxels' shorter horizontal side."""
        reach = grid.centres_ego[..., :2].abs().max().item() + min(grid.voxel_size_m[:2]) / 2
        return cls(reach, round(2 * reach / min(grid.voxel_size_m[:2])))

    @property
    def size_m(self) -> float:
        """Side of a square."""
        return 2 * self.reach_m / self.count

    @property
    def centres(self) -> Float[Tensor, "y x 2"]:
        """Where they are, metres."""
        return cell_centres((self.count, self.count)) * self.size_m - self.reach_m


@dataclass(frozen=True)
class FlowMap:
    """What moves how, from above.

    Attributes:
        held: Squares that hold something between the heights that are looked at.
        velocities: Of what they hold, x and y, m/s; 0 where it stands or nothing is known.
    """

    held: Bool[Tensor, "y x"]
    velocities: Float[Tensor, "y x 2"]


@dataclass(frozen=True)
class FlowClip:
    """Everything one picture of scene flow shows.

    Attributes:
        clip: One clip (b = 1).
        frame: The frame whose flow it is; found in the other frames alone.
        cells: Where the squares of both maps lie.
        found: What the run says.
        truth: What is true; None where no velocity is known.
        truth_name: Where the truth is from.
        boxes_ego: Annotated boxes of the frame, as in `Clip.boxes_ref`.
        row: Errors of this clip; None without truth.
    """

    clip: Clip
    frame: int
    cells: Cells
    found: FlowMap
    truth: FlowMap | None
    truth_name: str
    boxes_ego: Float[Tensor, "k 9"]
    row: FlowRow | None


@torch.no_grad()
def flow_clip(
    model: MaskedVideoModel,
    dataset: NuscenesDataset,
    index: int,
    view: EvaluatedView,
    accelerator: str,
) -> FlowClip:
    """Find the flow of one frame of a clip, and read what is true of it.

    Raises:
        ValueError: If the model has no flow.
    """
    clip = dataset[index]
    volumes = frame_volumes(model, clip.to(accelerator), view.frame)
    if volumes.scene_flow is None or volumes.rebuilt is None:
        raise ValueError("this model finds no scene flow")
    rebuilt, cells = volumes.rebuilt, Cells.of(view.grid)
    scene_flow = volumes.scene_flow[0].float().cpu()

    def sdf(places: Tensor) -> Tensor:
        return model.renderer.field.sdf(rebuilt, places.to(rebuilt.device)).cpu()

    reader = TruthReader(dataset, view, with_flow=True)
    truth = reader.read(index, clip).flow
    scores = FlowScores(view.grid)
    if truth is not None:
        scores.add(scene_flow, truth)
    return FlowClip(
        clip=clip,
        frame=view.frame,
        cells=cells,
        found=found_map(sdf, scene_flow, cells, view.grid),
        truth=None if truth is None else true_map(truth, cells),
        truth_name=reader.moving_name,
        boxes_ego=boxes_in_ego(clip, view.frame),
        row=scores.row(),
    )


def found_map(
    sdf: Callable[[Tensor], Tensor],
    scene_flow: Float[Tensor, "3 z y x"],
    cells: Cells,
    grid: VoxelGrid,
) -> FlowMap:
    """What a volume holds by its SDF, and the mean velocity of its voxels there.

    Where it holds nothing, the mean is over all heights: what moves is the first to get lost.

    Args:
        sdf: Signed distance, metres, at places `1 q k 3` in ego axes.
        scene_flow: m/s along the ego axes.
        cells: Squares of the map.
        grid: The voxels.
    """
    heights = torch.linspace(*HEIGHTS_M)
    places = torch.cat(
        [
            cells.centres.unsqueeze(2).expand(-1, -1, len(heights), -1),
            heights.view(1, 1, -1, 1).expand(cells.count, cells.count, -1, 1),
        ],
        dim=-1,
    )
    distances = sdf(places.flatten(0, 1).unsqueeze(0)).view(places.shape[:3])
    held = (distances <= 0) & grid.contains(places)
    velocities = at_points(scene_flow, places.flatten(0, 2), grid).view(*held.shape, 3)[..., :2]
    share = (held | ~held.any(dim=2, keepdim=True)).unsqueeze(-1)
    mean = (velocities * share).sum(dim=2) / share.sum(dim=2)
    return FlowMap(held.any(dim=2), mean)


def true_map(truth: FlowTruth, cells: Cells) -> FlowMap:
    """Where points are seen above the ground, and the mean velocity of those that move."""
    z = truth.points_ego[:, 2]
    moving = truth.velocities_m_s.norm(dim=-1) > MOVING_M_S
    place = ((truth.points_ego[:, :2] + cells.reach_m) / cells.size_m).floor().long()
    inside = ((place >= 0) & (place < cells.count)).all(dim=-1)
    shown = inside & (moving | (z >= HEIGHTS_M[0])) & (z <= HEIGHTS_M[1])
    index = place[:, 1] * cells.count + place[:, 0]
    count, held = torch.zeros(2, cells.count**2)
    held = held.index_fill(0, index[shown], 1)
    movers = shown & moving
    count = count.index_add(0, index[movers], torch.ones(int(movers.sum())))
    total = torch.zeros(cells.count**2, 2)
    total = total.index_add(0, index[movers], truth.velocities_m_s[movers, :2])
    mean = total / count.clamp(min=1).unsqueeze(-1)
    shape = (cells.count, cells.count)
    return FlowMap(held.view(shape) > 0, mean.view(*shape, 2))


def boxes_in_ego(clip: Clip, frame: int) -> Float[Tensor, "k 9"]:
    """Annotated boxes of a frame of a clip (b = 1), in that frame's ego axes."""
    boxes = clip.boxes_ref[0, frame][clip.valid_boxes[0, frame]].clone()
    ego_from_ref = invert_rigid(clip.ref_from_ego[0, frame])
    yaw = torch.atan2(ego_from_ref[1, 0], ego_from_ref[0, 0])
    boxes[:, :3] = transform_points(ego_from_ref, boxes[:, :3])
    boxes[:, 6] += yaw
    boxes[:, 7:] = boxes[:, 7:] @ rotation_from_yaw(yaw)[:2, :2].T
    return boxes
