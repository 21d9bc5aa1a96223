"""What the camera's geometry says about each cell of a feature map before any pixel is read.

A convolution does not know where in which camera it looks. The direction of a cell's ray in the ego
frame, and the depth at which that ray meets the road, are known exactly from the calibration, and
are the same kind of number for every camera of every rig.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.ground_plane import reach_of_ground
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import apply_linear, lengths

NUM_RAY_FEATURES = 12
_OCTAVES = 4


@dataclass(frozen=True)
class CellRays:
    """The ray through the centre of each cell of one feature map.

    Attributes:
        directions: Unit direction in the frame's ego axes.
        ground_depth: Depth (z in the camera) where the ray meets the plane z = 0 of the ego frame,
            metres; infinite where it does not.
    """

    directions: Float[Tensor, "m 3 hf wf"]
    ground_depth: Float[Tensor, "m hf wf"]

    def features(self) -> Float[Tensor, "m 12 hf wf"]:
        """Direction, inverse ground depth, and waves in the logarithm of the ground depth."""
        depth = self.ground_depth.clamp(1.0, 100.0)
        octaves = 2.0 ** torch.arange(_OCTAVES, device=depth.device)
        phases = depth.log().unsqueeze(1) * octaves[:, None, None]
        inverse = 1 / depth.unsqueeze(1)
        return torch.cat([self.directions, inverse, phases.sin(), phases.cos()], dim=1)


@torch.no_grad()
def cell_rays(
    intrinsics: Float[Tensor, "m 3 3"],
    ego_from_camera: Float[Tensor, "m 4 4"],
    image_hw: tuple[int, int],
    lattice: tuple[int, int],
) -> CellRays:
    """Rays through the cells of a feature map.

    Args:
        intrinsics: Of the padded image, pixels.
        ego_from_camera: Pose of each camera in its frame's ego axes.
        image_hw: Rows and columns of the padded image, which the map covers.
        lattice: Rows and columns of the map.
    """
    (h, w), (rows, columns) = image_hw, lattice
    device = intrinsics.device
    centres = cell_centres(lattice, device).flatten(0, 1)
    pixels = F.pad(centres * centres.new_tensor([w / columns, h / rows]), (0, 1), value=1.0)
    with torch.autocast(device_type=device.type, enabled=False):
        per_depth = apply_linear(torch.linalg.inv(intrinsics.float()), pixels.unsqueeze(0))
        per_depth = apply_linear(ego_from_camera[:, :3, :3].float(), per_depth)
    # An absent image has no pose, and so no height above the ground: it never meets it.
    ground_depth = reach_of_ground(ego_from_camera[:, None, :3, 3], per_depth)
    directions = per_depth / lengths(per_depth).unsqueeze(-1)
    return CellRays(
        rearrange(directions, "m (h w) k -> m k h w", h=rows),
        rearrange(ground_depth, "m (h w) -> m h w", h=rows),
    )
