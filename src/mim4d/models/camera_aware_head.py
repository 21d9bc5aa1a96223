"""A depth head that knows its camera and starts at the road.

The published heads see features alone, and a convolution does not know where in which camera it
looks: from random weights they need long to learn even how far away the road is. That is known from
the calibration, so this head is told (camera awareness as in BEVDepth, arXiv 2206.10092, but from
rays instead of raw parameters, so that it carries over to other rigs).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.models.camera_rays import NUM_RAY_FEATURES, CellRays
from mim4d.models.depth_head import DepthBins, DepthHead


class CameraAwareDepthHead(DepthHead):
    """Features and ray geometry to depth.

    The geometry is embedded and added to the projected features. Logits are the network's, which
    start at zero, plus a learned multiple of the bins next to the depth at which the ray meets the
    plane z = 0 of the ego frame.

    Args:
        in_channels: Channels of every level.
        bins: The depth bins.
        hidden: Channels of the depth network.
        ground_logit: Logit that the road's bin starts with.
    """

    def __init__(
        self, in_channels: int, bins: DepthBins, hidden: int = 64, ground_logit: float = 4.0
    ) -> None:
        logits = nn.Conv2d(hidden, bins.num, 1)
        assert logits.bias is not None
        nn.init.zeros_(logits.weight)
        nn.init.zeros_(logits.bias)
        net = nn.Sequential(nn.Conv2d(in_channels, hidden, 3, padding=1), nn.GELU(), logits)
        super().__init__(in_channels, bins, net)
        self.ray_embedding = nn.Conv2d(NUM_RAY_FEATURES, in_channels, 1)
        self.ground_logit = nn.Parameter(torch.tensor(ground_logit))

    def forward(
        self,
        features: list[Float[Tensor, "m c _hf _wf"]],
        rays: list[CellRays] | None = None,
    ) -> tuple[list[Float[Tensor, "m c _hf _wf"]], list[Float[Tensor, "m d _hf _wf"]]]:
        """Project each level and predict its depth from what is seen and from where."""
        assert rays is not None, "a camera-aware head needs the cells' rays"
        projected, depth_probs = [], []
        for level, cells in zip(features, rays, strict=True):
            x = self.projection(level) + self.ray_embedding(cells.features())
            logits = self.depth_net(x).float() + self.ground_logit * self._ground(cells)
            projected.append(x)
            depth_probs.append(logits.softmax(dim=1))
        return projected, depth_probs

    def _ground(self, cells: CellRays) -> Float[Tensor, "m d hf wf"]:
        """1 at the bin of the road's depth, falling to 0 one bin away; 0 for rays that miss it."""
        centres = self.bins.centres_m.to(cells.ground_depth)[:, None, None]
        away = (cells.ground_depth.unsqueeze(1) - centres).abs() / self.bins.step_m
        return (1 - away).clamp(min=0)
