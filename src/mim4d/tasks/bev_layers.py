"""What is true of the ground around the car: layers of cells, from boxes and from the vector map.

A cell belongs to an object if its centre lies in the footprint of the box at the key frame; to an
area of the map if its centre lies inside; to a line if it is within half the line's width. Cells
are the rows and columns of a grid in ego axes (`ref`, the ego frame of the key frame).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.config.head import BevLayer
from mim4d.data.clip import Clip
from mim4d.data.maps.map_layers import bounds_of_grid, rasterise
from mim4d.data.maps.map_names import MapLayer
from mim4d.errors import DataError
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.layer_iou import LayerTruth
from mim4d.tasks.cells import boxes_of, is_vehicle, seen_boxes, under_boxes

_OF_MAP: dict[BevLayer, tuple[MapLayer, ...]] = {
    "drivable_area": ("drivable_area",),
    "crossing": ("ped_crossing",),
    "divider": ("road_divider", "lane_divider"),
    "boundary": ("road_boundary",),
}


def _is_pedestrian(name: str) -> bool:
    return name.startswith("human.pedestrian")


_OF_BOXES: dict[BevLayer, Callable[[str], bool]] = {
    "vehicle": is_vehicle,
    "pedestrian": _is_pedestrian,
}


def classes_of(
    layer: BevLayer, layers: Sequence[BevLayer], names: Sequence[str]
) -> tuple[int, ...]:
    """Rows of the data set's categories that make up a layer of objects.

    Args:
        layer: It.
        layers: All that are wanted, for the message.
        names: Of the categories.

    Raises:
        DataError: If none does.
    """
    found = tuple(row for row, name in enumerate(names) if _OF_BOXES[layer](name))
    if not found:
        others = " ".join(each for each in layers if each != layer) or "those it has"
        raise DataError(
            f"the layer {layer} needs boxes of it, but the data set's classes are: "
            f"{', '.join(names) or 'none'}; leave it out (--head.layers {others})"
        )
    return found


def boxes_of_layer(clip: Clip, layer: BevLayer, layers: Sequence[BevLayer]) -> Bool[Tensor, "b k"]:
    """Boxes of the key frame that belong to a layer."""
    return boxes_of(clip, classes_of(layer, layers, clip.category_names))


def layer_truth(
    clip: Clip,
    layers: Sequence[BevLayer],
    cells: VoxelGrid,
    min_visibility: int,
    line_width_m: float,
) -> LayerTruth:
    """What is true of the cells of each clip.

    Args:
        clip: With a map, if a layer is made of it.
        layers: Which, in the order of the result.
        cells: One layer of voxels in ego axes.
        min_visibility: Cells of boxes of a lower one are ignored.
        line_width_m: How wide lines are painted.

    Raises:
        DataError: If the data have no such boxes, or no map.
    """
    centres = cells.centres_ego[0, ..., :2]
    occupied, ignored = [], []
    seen = seen_boxes(clip, 0, min_visibility)
    for layer in layers:
        if layer in _OF_BOXES:
            chosen = boxes_of_layer(clip, layer, layers)
            visible = under_boxes(clip, chosen & seen, centres)
            hidden = under_boxes(clip, chosen & ~seen, centres)
            occupied.append(visible | hidden)
            ignored.append(hidden & ~visible)
        else:
            on_map = _from_map(clip, layer, cells, line_width_m)
            occupied.append(on_map)
            ignored.append(torch.zeros_like(on_map))
    return LayerTruth(torch.stack(occupied, dim=1), torch.stack(ignored, dim=1))


def _from_map(
    clip: Clip, layer: BevLayer, cells: VoxelGrid, line_width_m: float
) -> Bool[Tensor, "b y x"]:
    if clip.maps is None:
        raise DataError(
            f"the layer {layer} needs the vector map, but the clips were read without one; "
            "--head.layers vehicle pedestrian needs none"
        )
    bounds, shape = bounds_of_grid(cells), cells.shape_zyx[1:]
    painted = [
        rasterise(patch.within(bounds), shape, _OF_MAP[layer], line_width_m).any(dim=0)
        for patch in clip.maps
    ]
    return torch.stack(painted).to(clip.images.device)


def centre_targets(
    boxes_ref: Float[Tensor, "b k 9"],
    chosen: Bool[Tensor, "b k"],
    cells: VoxelGrid,
    sigma_cells: float = 1.5,
) -> tuple[Float[Tensor, "b y x"], Float[Tensor, "b 2 y x"]]:
    """A bump of height 1 in the cell of each object's centre, and the way to the nearest centre.

    Args:
        boxes_ref: Of the key frame.
        chosen: The objects.
        cells: One layer of voxels in ego axes.
        sigma_cells: Width of the bumps.

    Returns:
        The heat-map, exp(−d² / 2σ²) of the distance d to the nearest cell of a centre; and the
        offset (x, y) to the nearest centre, in cells; 0 where there is no object at all.
    """
    x, y, _ = cells.shape_xyz
    rows = torch.arange(y, device=boxes_ref.device) + 0.5
    columns = torch.arange(x, device=boxes_ref.device) + 0.5
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)  # y x 2
    lower, size = boxes_ref.new_tensor(cells.lower_m[:2]), cells.voxel_size_m[:2]
    centres = (boxes_ref[..., :2] - lower) / boxes_ref.new_tensor(size)  # b k 2, in cells
    inside = ((centres >= 0) & (centres < boxes_ref.new_tensor([x, y]))).all(dim=-1)
    usable = chosen & inside
    if boxes_ref.shape[1] == 0:
        return places.new_zeros(len(boxes_ref), y, x), places.new_zeros(len(boxes_ref), 2, y, x)
    to_cell = (centres.floor() + 0.5)[:, :, None, None] - places
    away = to_cell.square().sum(-1).masked_fill(~usable[:, :, None, None], torch.inf)
    heat = (-away.amin(dim=1) / (2 * sigma_cells**2)).exp()
    way = centres[:, :, None, None] - places
    far = way.square().sum(-1).masked_fill(~chosen[:, :, None, None], torch.inf)
    nearest = far.argmin(dim=1)[:, None, ..., None].expand(-1, 1, -1, -1, 2)
    offset = way.gather(1, nearest).squeeze(1) * chosen.any(dim=1)[:, None, None, None]
    return heat, offset.movedim(-1, 1)
