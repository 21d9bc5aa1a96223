"""A query head of ours with the weights of a golden file, by the importer's own rules."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mim4d.exchange.official.rules import Naming
from mim4d.exchange.official.translate import (
    CODE_WEIGHTS,
    OFFICIAL_CLASSES,
    Conventions,
    places_of,
    to_official,
    values_to_ours,
)
from mim4d.metrics.detection.rules import CLASSES
from mim4d.tasks.detection.box_code import encode_boxes
from mim4d.tasks.detection.query_decoder import QueryDecoder
from mim4d.tasks.detection.query_head import LearnedQueries, PlacedQueries
from mim4d.tasks.detection.query_losses import CodedBoxes, QueryWeights
from tests.parity import GoldenFile

HEAD, OURS = "pts_bbox_head.", "head."
NAMES = Naming((), 0)
AS_STORED = [CLASSES.index(name) for name in OFFICIAL_CLASSES]
"""Which of our classes stands at each place of the stored ones."""


def golden_head(file: GoldenFile) -> LearnedQueries | PlacedQueries:
    config = file.config
    layer = config["transformer"]["decoder"]["transformerlayers"]
    channels, placed = config["in_channels"], "groups_rule" in config and config.get("scalar")
    limits = config["pc_range"]
    decoder = QueryDecoder(
        channels,
        len(CLASSES),
        layers=config["transformer"]["decoder"]["num_layers"],
        heads=layer["attn_cfgs"][0]["num_heads"],
        hidden=layer["ffn_cfgs"]["feedforward_channels"],
        dropout=0.0,
        overlap=bool(placed),
        lower_m=tuple(limits[:3]),
        upper_m=tuple(limits[3:]),
    )
    make = PlacedQueries if placed else LearnedQueries
    head = make(config["num_query"], channels, decoder)
    head.load_state_dict(our_weights(file.part("weights")))
    return head


def our_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    official = {HEAD + name: value for name, value in state.items() if name != "code_weights"}
    places = places_of(official, NAMES)
    ours = values_to_ours(official, places, Conventions())
    return {name.removeprefix(OURS): value for name, value in ours.items()}


def official_gradients(head: torch.nn.Module) -> dict[str, Tensor]:
    """Gradients under the names of the golden file."""
    ours = {OURS + n: p.grad for n, p in head.named_parameters() if p.grad is not None}
    found = to_official(ours, NAMES, Conventions())
    return {name.removeprefix(HEAD): value for name, value in found.items()}


def golden_weights(file: GoldenFile) -> QueryWeights:
    config = file.config
    code = tuple(file.tensors[f"weights.{CODE_WEIGHTS.removeprefix(HEAD)}"].tolist())
    assert code == tuple(torch.tensor(config["code_weights"]).tolist())
    return QueryWeights(
        code=code, code_in_matching="code_weights" in config["train_cfg"]["assigner"]
    )


def golden_truth(file: GoldenFile) -> list[CodedBoxes]:
    """Stored boxes stand on their bottom, with width before length and mmdet's old heading."""
    truth = []
    for b in range(len(file.tensors["in.volume"])):
        boxes = our_boxes(file.tensors[f"in.gt.{b}.boxes"])
        labels = file.tensors[f"in.gt.{b}.labels"]
        truth.append(CodedBoxes(torch.tensor(AS_STORED)[labels], encode_boxes(boxes)))
    return truth


def our_boxes(stored: Tensor) -> Tensor:
    x, y, bottom, width, length, height, heading, vx, vy = stored.unbind(-1)
    yaw = -heading - torch.pi / 2
    return torch.stack([x, y, bottom + height / 2, length, width, height, yaw, vx, vy], dim=-1)


def stored_boxes(ours: Tensor) -> Tensor:
    x, y, z, length, width, height, yaw, vx, vy = ours.unbind(-1)
    heading = torch.remainder(-yaw - torch.pi / 2 + torch.pi, 2 * torch.pi) - torch.pi
    return torch.stack([x, y, z - height / 2, width, length, height, heading, vx, vy], dim=-1)
