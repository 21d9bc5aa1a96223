"""A head that paints layers of the ground: objects and the map, seen from above."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import tyro

from mim4d.config.checks import require
from mim4d.config.head.bev_trunk import BevTrunkConfig

ObjectLayer = Literal["vehicle", "pedestrian"]
RoadLayer = Literal["drivable_area", "crossing", "divider", "boundary"]
BevLayer = ObjectLayer | RoadLayer
OBJECT_LAYERS: tuple[ObjectLayer, ...] = get_args(ObjectLayer)
ROAD_LAYERS: tuple[RoadLayer, ...] = get_args(RoadLayer)
BEV_LAYERS: tuple[BevLayer, ...] = (*OBJECT_LAYERS, *ROAD_LAYERS)


@dataclass(frozen=True)
class SegmentationHeadConfig:
    """A head with one logit of each cell and layer."""

    kind: tyro.conf.Fixed[Literal["segmentation"]] = "segmentation"
    """Tells the kinds of heads apart where a configuration is read."""
    layers: tuple[BevLayer, ...] = BEV_LAYERS
    """Layers to predict. Vehicles (CVT's definition: no police cars) and pedestrians come from
    boxes, the others from the vector map; dividers are those of lanes and of roads."""
    range_xy_m: tuple[float, float] | None = None
    """Length along x and width along y of the area, metres, around the car. None: the grid's."""
    cells_xy: tuple[int, int] = (200, 200)
    """Number of cells along x and y."""
    trunk: BevTrunkConfig = field(default_factory=BevTrunkConfig)
    hidden: int = 64
    """Channels between the two convolutions of the head."""
    loss: Literal["focal", "bce"] = "bce"
    """Loss of each cell: cross-entropy (`bce`), or focal, which gives easy cells little weight."""
    focal_gamma: float = 2.0
    """Exponent of the focal loss."""
    positive_weight: float = 1.0
    """Weight of cells that are occupied; others have 1. With weight w a cell is drawn (at 0.5)
    where it is occupied in more than one of 1 + w cases, as far as `loss` decides."""
    positive_weights: tuple[str, ...] = ()
    """The same for single layers, as LAYER=WEIGHT: rare and thin things need more."""
    cell_weight: float = 1.0
    """Weight of `loss`."""
    dice_weight: float = 1.0
    """Weight of the dice loss of each layer, which gives rare layers more weight."""
    centre_weight: float = 0.0
    """Weight of an auxiliary heat map of objects' centres, used in training alone."""
    offset_weight: float = 0.0
    """Weight of auxiliary offsets from cells to their object's centre, used in training alone."""
    min_visibility: int = 2
    """Cells of boxes of a lower visibility (nuScenes' 1 to 4) are ignored in the losses and in the
    rows `visible`; 1 ignores none. Boxes without a visibility are kept."""
    line_width_m: float = 0.5
    """Width of dividers and boundaries, metres."""

    @property
    def objects(self) -> tuple[BevLayer, ...]:
        """The layers that are made of boxes."""
        return tuple(layer for layer in self.layers if layer in OBJECT_LAYERS)

    @property
    def weights(self) -> tuple[float, ...]:
        """The positive weight of each layer."""
        named = self._named_weights()
        return tuple(named.get(layer, self.positive_weight) for layer in self.layers)

    def _named_weights(self) -> dict[str, float]:
        found = {}
        for entry in self.positive_weights:
            layer, _, number = entry.partition("=")
            try:
                weight = float(number)
            except ValueError:
                weight = 0.0
            require(
                layer in BEV_LAYERS and 0 < weight < float("inf"),
                "head.positive_weights",
                entry,
                f"LAYER=WEIGHT with one of {', '.join(BEV_LAYERS)} and a positive number",
            )
            found[layer] = weight
        return found

    @property
    def needs_map(self) -> bool:
        """Whether clips must come with the vector map."""
        return len(self.objects) < len(self.layers)

    @property
    def map_advice(self) -> str:
        """What to do where there is no map, in words."""
        road = ", ".join(layer for layer in self.layers if layer not in self.objects)
        others = " ".join(self.objects or OBJECT_LAYERS)
        return f"the layers {road} need it; --head.layers {others} needs none"

    def __post_init__(self) -> None:
        different = len(set(self.layers)) == len(self.layers) >= 1
        require(different, "head.layers", self.layers, f"some of {', '.join(BEV_LAYERS)}, once")
        require(min(self.cells_xy) >= 1, "head.cells_xy", self.cells_xy, "at least 1 each")
        positive = self.range_xy_m is None or min(self.range_xy_m) > 0
        require(positive, "head.range_xy_m", self.range_xy_m, "two positive lengths")
        require(self.hidden >= 8, "head.hidden", self.hidden, "at least 8")
        require(self.hidden % 8 == 0, "head.hidden", self.hidden, "a multiple of 8")
        weights = ("focal_gamma", "cell_weight", "dice_weight", "centre_weight", "offset_weight")
        for name in weights:
            value = getattr(self, name)
            require(0 <= value < float("inf"), f"head.{name}", value, "0 or more")
        both, expected = self.cell_weight + self.dice_weight, "positive while head.dice_weight is 0"
        require(both > 0, "head.cell_weight", self.cell_weight, expected)
        for name in ("positive_weight", "line_width_m"):
            value = getattr(self, name)
            require(0 < value < float("inf"), f"head.{name}", value, "a positive number")
        named = self._named_weights()
        require(
            self.positive_weight == 1 or not named.keys() >= set(self.layers),
            "head.positive_weight",
            self.positive_weight,
            "1 where head.positive_weights names every layer (or name fewer of them)",
        )
        require(1 <= self.min_visibility <= 4, "head.min_visibility", self.min_visibility, "1 to 4")
