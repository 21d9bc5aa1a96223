"""What shows where nothing stops a ray: the sky, and what lies beyond the voxels.

Enters: a volume and rays (ego frame, metres). Leaves: a colour per ray. It is told the ray's
direction and what the volume holds, as a whole (a dark scene has a dark sky) and where the ray
leaves it; like the field it sees images through the volume alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.rays import Rays
from mim4d.rendering.volume_lookup import lookup

_WAVES = (1.0, 2.0, 4.0)
_NUM_DIRECTION_FEATURES = 3 * (1 + 2 * len(_WAVES))


class Background(nn.Module):
    """A sky head: direction and volume to RGB in [0, 1].

    Args:
        grid: Of the volume.
        channels: Of the volume.
        hidden: Width of its two hidden layers.
    """

    def __init__(self, grid: VoxelGrid, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.grid = grid
        self.layers = nn.Sequential(
            nn.Linear(_NUM_DIRECTION_FEATURES + 2 * channels, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 3),
        )

    def forward(self, volume: Float[Tensor, "b c z y x"], rays: Rays) -> Float[Tensor, "b r 3"]:
        """Colour behind each ray."""
        with torch.autocast(device_type=volume.device.type, enabled=False):
            volume = volume.to(torch.promote_types(volume.dtype, torch.float32))
            directions = rays.directions
            waves = [
                wave for k in _WAVES for wave in ((k * directions).sin(), (k * directions).cos())
            ]
            exits = rays.origins + directions * rays.far.unsqueeze(-1)
            local = lookup(volume, exits, self.grid)
            whole = volume.mean(dim=(2, 3, 4)).unsqueeze(1).expand_as(local)
            inputs = torch.cat([directions, *waves, whole, local], dim=-1)
            return torch.sigmoid(self.layers(inputs))
