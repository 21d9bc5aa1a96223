"""Volume convolution: mixes neighbouring voxels and sets the width of a volume.

`m c z y x` enters and leaves with another c; m are clips × frames. In the published model it turns
the lifted volume into the 32 channels that are decoded and rendered. One 3×3×3 convolution, a norm
and a ReLU.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

# Channels that share a group norm's statistics.
_GROUP_CHANNELS = 4

# Below this size (batch 1, channels · z · y) torch's CPU convolution leaves oneDNN for a kernel
# that is several times slower. The number is torch's own; were it to change, only speed would.
_SLOW_CONV3D_MAX = 20480


class VolumeConv(nn.Module):
    """3×3×3 convolution, norm and ReLU; the weights are those of a `Conv3d`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        norm: By default a group norm, which normalises each volume by itself, so that a batch of
            two equals two batches of one, and keeps strong voxels stronger than weak ones: how much
            of the depth distribution falls into a voxel says whether it is occupied, and a norm of
            each voxel alone would wipe that out.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        groups = max(1, out_channels // _GROUP_CHANNELS)
        self.norm = nn.GroupNorm(groups, out_channels) if norm is None else norm

    def forward(self, volume: Float[Tensor, "m c z y x"]) -> Float[Tensor, "m c2 z y x"]:
        """Convolve, normalise and rectify."""
        bias = self.conv.bias
        assert bias is not None
        return F.relu(self.norm(conv3d_same(volume, self.conv.weight, bias)))


def conv3d_same(
    volume: Float[Tensor, "m c z y x"],
    weight: Float[Tensor, "c2 c 3 3 3"],
    bias: Float[Tensor, " c2"],
) -> Float[Tensor, "m c2 z y x"]:
    """3×3×3 convolution with zero padding of one voxel, by the faster of two equal ways."""
    m, c, z, y, _ = volume.shape
    small = m == 1 and c * z * y <= _SLOW_CONV3D_MAX
    full_precision = volume.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if volume.device.type == "cpu" and full_precision and small:
        return conv3d_by_layers(volume, weight, bias)
    return F.conv3d(volume, weight, bias, padding=1)


def conv3d_by_layers(
    volume: Float[Tensor, "m c z y x"],
    weight: Float[Tensor, "c2 c 3 3 3"],
    bias: Float[Tensor, " c2"],
) -> Float[Tensor, "m c2 z y x"]:
    """The same convolution in 2D: each layer of z with the one below and above as its channels."""
    m, c, z, y, x = volume.shape
    padded = F.pad(volume, (0, 0, 0, 0, 1, 1)).permute(0, 2, 3, 4, 1)  # m z+2 y x c
    layers = torch.cat([padded[:, k : k + z] for k in range(3)], dim=-1)  # m z y x 3c
    layers = layers.reshape(m * z, y, x, 3 * c).permute(0, 3, 1, 2)
    weight2d = weight.permute(0, 2, 1, 3, 4).flatten(1, 2)
    out = F.conv2d(layers, weight2d, bias, padding=1)
    return out.unflatten(0, (m, z)).transpose(1, 2)
