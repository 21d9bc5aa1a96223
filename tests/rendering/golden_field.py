"""Build our field from a golden file: names and conventions of the official weights, as data."""

import json
import math

import torch
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.sdf_field import SdfField
from tests.conftest import GoldenFile


def official_to_ours(official: dict[str, Tensor], length_unit_m: float) -> dict[str, Tensor]:
    """Names and values of an official field's weights (or their gradients, unit 1)."""
    ours = {}
    for theirs, name in (("sdf_decoder", "sdf_decoder"), ("rgb_decoder", "colour_decoder")):
        count = sum(k.startswith(f"{theirs}.lin") and k.endswith("weight") for k in official)
        for kind in ("weight", "bias"):
            ours[f"{name}.from_points.{kind}"] = official[f"{theirs}.fc_p.{kind}"]
            parts = [official[f"{theirs}.fc_c.{i}.{kind}"] for i in range(count)]
            ours[f"{name}.from_features.{kind}"] = torch.cat(parts)
            for i in range(count):
                ours[f"{name}.layers.{i}.{kind}"] = official[f"{theirs}.lin{i}.{kind}"]
    variance = official["deviation_network.variance"][0]
    ours["sharpness_exponent"] = variance - math.log(length_unit_m) / 10
    return ours


def grids(config: dict) -> tuple[VoxelGrid, VoxelGrid]:
    """The released lookup spans the range from centre to centre; near and far from face to face."""
    low, high = tuple(config["pc_range"][:3]), tuple(config["pc_range"][3:])
    shape = tuple(config["voxel_shape"])
    return VoxelGrid.from_centres(low, high, shape), VoxelGrid(low, high, shape)


def golden_field(file: GoldenFile, config: dict, prefix: str = "weights") -> SdfField:
    field = SdfField(
        grids(config)[0],
        config["sdf_decoder_cfg"]["in_dim"],
        hidden=config["sdf_decoder_cfg"]["hidden_size"],
        sdf_layers=config["sdf_decoder_cfg"]["n_blocks"] + 1,
        colour_layers=config["rgb_decoder_cfg"]["n_blocks"] + 1,
        geometry_features=config["sdf_decoder_cfg"]["out_dim"] - 1,
        length_unit_m=1 / config["scale_factor"],
        sdf_start="network",
    )
    field.load_state_dict(official_to_ours(file.part(prefix), field.length_unit_m))
    return field


def config_of(file: GoldenFile) -> dict:
    return json.loads(file.meta["config"])
