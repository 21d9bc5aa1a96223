"""What the golden files of liftings share: the voxels, and the convolutions of a detector."""

from typing import Any

import torch
from torch import Tensor, nn

from mim4d.geometry.voxel_grid import VoxelGrid
from tests.parity import GoldenFile


def golden_grid(config: dict[str, Any]) -> VoxelGrid:
    """The voxels of a `view_trans`, in LiDAR axes, metres."""
    x0, y0, z0, x1, y1, z1 = config["pc_range"]
    x, y, z = config["voxel_shape"]
    grid = VoxelGrid((x0, y0, z0), (x1, y1, z1), (x, y, z))
    sizes = torch.tensor(grid.voxel_size_m)
    torch.testing.assert_close(sizes, torch.tensor(config["voxel_size"]).float())
    return grid


def golden_convs(config: dict[str, Any], weights: dict[str, Tensor]) -> nn.Sequential:
    """The convolutions behind a `view_trans`, in evaluation.

    Args:
        config: Of the `view_trans`.
        weights: Their weights; names below `conv_layer.`.
    """
    convs = nn.Sequential()
    if config["num_convs"] > 0:
        channels, kernel = config["embed_dim"], tuple(config["kernel_size"])
        convs = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv3d(channels, channels, kernel, padding=tuple(k // 2 for k in kernel)),
                    nn.BatchNorm3d(channels),
                    nn.ReLU(),
                )
                for _ in range(config["num_convs"])
            )
        )
    convs.load_state_dict(weights)
    return convs.eval()


def fuse_frames(config: dict[str, Any], convs: nn.Sequential, volume: Tensor) -> Tensor:
    """The volumes `b t c z y x` that a `view_trans` hands on.

    A detector's adds the frames up, and puts back an axis of one frame behind its convolutions.
    """
    if not config["keep_sweep_dim"]:
        assert len(convs) == 0, "the released pre-training has no convolutions here"
        return volume
    fused: Tensor = convs(volume.sum(dim=1))
    return fused.unsqueeze(1)


def check_lifted(file: GoldenFile, volume: Tensor, leaves: dict[str, Tensor]) -> None:
    """Compare what a file's `view_trans` hands on, its loss and all gradients.

    Args:
        file: Of a `view_trans` alone.
        volume: The lifted volumes, `b t c z y x`.
        leaves: The inputs that have a gradient, by their names below `in.`.
    """
    weights = {k.removeprefix("conv_layer."): v for k, v in file.part("weights").items()}
    convs = golden_convs(file.config, weights)
    result = fuse_frames(file.config, convs, volume)
    file.check("out.out", result)
    loss = result.square().sum()
    file.check("out.loss", loss)
    loss.backward()
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        file.check(f"out.grad.in.{name}", leaf.grad)
    for name, weight in convs.named_parameters():
        assert weight.grad is not None
        file.check(f"out.grad.weights.conv_layer.{name}", weight.grad)
