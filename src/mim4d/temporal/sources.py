"""The sources of a frame: other frames' volumes, in the axes of the frame they stand in for.

Each frame's volume lies in its own ego axes. The sources of a target frame are looked up where its
voxels were, so that ego motion is removed (metres), and carry their signed time offset (seconds).
Whatever rebuilds a frame from others, learned or not, takes them as one record.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.rigid import compose, invert_rigid
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.temporal.warp import Warp, warp_volume


@dataclass(frozen=True)
class Sources:
    """What target frames are rebuilt from: `s` sources of each of `m` targets.

    Attributes:
        warped: Source volumes on the target's voxels, in the target's ego axes.
        valid: Voxels where a warped source has a value.
        dt_s: Source time minus target time, seconds.
        present: Sources that exist; the others have no influence.
    """

    warped: Float[Tensor, "m s c z y x"]
    valid: Bool[Tensor, "m s z y x"]
    dt_s: Float[Tensor, "m s"]
    present: Bool[Tensor, "m s"]

    @property
    def usable(self) -> Bool[Tensor, "m s z y x"]:
        """Voxels where a source that exists has a value."""
        return self.valid & self.present[:, :, None, None, None]


def valid_mean(sources: Sources) -> Float[Tensor, "m c z y x"]:
    """Mean over the sources that exist and are valid at each voxel; zero where none is."""
    usable = sources.usable
    share = usable / usable.sum(dim=1, keepdim=True).clamp(min=1)
    # Channels last, as warped volumes lie in memory: elementwise work runs along them.
    return (sources.warped.movedim(2, -1) * share.unsqueeze(-1)).sum(dim=1).movedim(-1, 1)


def gather_sources(
    volumes: Float[Tensor, "b t c z y x"],
    clip: Clip,
    targets: Int[Tensor, "b k"],
    frames: Int[Tensor, "b k s"],
    grid: VoxelGrid,
    warp: Warp = warp_volume,
) -> Sources:
    """Bring other frames' volumes into the axes of target frames; clips and targets are joined.

    Args:
        volumes: Of every frame, on `grid` in its own ego axes.
        clip: The frames' poses and times, and which of them exist.
        targets: The target frames of each clip.
        frames: The frames that are sources of each target.
        grid: The voxels.
        warp: Looks a volume up on another frame's voxels.
    """
    b = torch.arange(clip.batch_size, device=targets.device)[:, None]
    all_b = b.unsqueeze(-1)
    ego_from_ref = invert_rigid(clip.ref_from_ego)
    ref_from_target = clip.ref_from_ego[b, targets].unsqueeze(2)
    source_from_target = compose(ego_from_ref[all_b, frames], ref_from_target)
    warped, valid = warp(
        volumes[all_b, frames].flatten(0, 2), source_from_target.flatten(0, 2), grid
    )
    present = clip.frame_seen[all_b, frames].flatten(0, 1)
    warped = rearrange(warped, "(m s) ... -> m s ...", m=len(present))
    valid = rearrange(valid, "(m s) ... -> m s ...", m=len(present))
    times = clip.frame_times_s
    dt_s = (times[all_b, frames] - times[b, targets].unsqueeze(2)).flatten(0, 1)
    return Sources(warped, valid & present[:, :, None, None, None], dt_s, present)
