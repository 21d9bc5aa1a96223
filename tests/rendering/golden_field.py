"""Build our field from a golden file: names and conventions of the official weights, as data."""

from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.sdf_field import SdfField
from tests.exchange.official_parts import official_values, our_weights
from tests.parity import GoldenFile

FIELD = "pts_bbox_head.render_model.field."


def official_to_ours(official: dict[str, Tensor], length_unit_m: float) -> dict[str, Tensor]:
    """Names and values of an official field's weights (or their gradients, unit 1)."""
    density = "laplace_density."
    alive = {key: value for key, value in official.items() if not key.startswith(density)}
    return our_weights(alive, FIELD, length_unit_m=length_unit_m)


def check_gradients(file: GoldenFile, field: SdfField, prefix: str) -> None:
    """Every stored gradient of a field's weights, under the official names."""
    parameters = dict(field.named_parameters())
    gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    official = official_values(gradients, FIELD)
    for name in file.part(prefix):
        file.check(f"{prefix}.{name}", official[name])


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
