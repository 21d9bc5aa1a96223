"""What the names and shapes of an official state dict say about the model it belongs to.

Names alone decide what is there, shapes how large it is; no size is taken for granted, so that
the two published pre-trainings, the two detectors and small models of the same code are read alike.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class DecoderLayout:
    """The temporal decoder (`history_decoder.*`).

    Attributes:
        num_sources: Frames that each frame is rebuilt from.
        channels: Of a volume with its height folded in.
        width: Channels of the short branch.
        long_width: Channels of the long branch.
        num_layers: Layers of each branch.
        num_cells: Cells of the grid seen from above, each with queries of its own.
        short_predictions: Heads × points of the short branch.
        long_predictions: The same of the long branch.
        short_ffn_width: Hidden channels of the short branch's feed-forward parts.
        long_ffn_width: The same of the long branch.
    """

    num_sources: int
    channels: int
    width: int
    long_width: int
    num_layers: int
    num_cells: int
    short_predictions: int
    long_predictions: int
    short_ffn_width: int
    long_ffn_width: int


@dataclass(frozen=True)
class FieldLayout:
    """The field that is rendered (`pts_bbox_head.render_model.field.*`).

    Attributes:
        hidden: Width of both networks.
        sdf_layers: Linear layers of the SDF network.
        colour_layers: Linear layers of the colour network.
        geometry_features: Numbers handed from the former to the latter.
    """

    hidden: int
    sdf_layers: int
    colour_layers: int
    geometry_features: int


@dataclass(frozen=True)
class QueryLayout:
    """The head of a detector (`pts_bbox_head.*`).

    Attributes:
        queries: `learned` (UVTRHead, 0.1 m) or `placed` (UVTRDNHead, 0.075 m).
        num_queries: Queries.
        layers: Of the decoder.
        hidden: Channels of the feed-forward parts.
    """

    queries: Literal["learned", "placed"]
    num_queries: int
    layers: int
    hidden: int


@dataclass(frozen=True)
class OfficialLayout:
    """A model of the authors' code.

    Attributes:
        kind: A pre-training, or a detector fine-tuned from one.
        depths: Blocks per stage of the ConvNeXt.
        widths: Channels per stage.
        levels: Stages that the neck reads.
        mask_token: Whether hidden cells get a learned vector.
        neck_channels: Channels of the neck's outputs.
        neck_outputs: Levels that are lifted.
        depth_head: `simple` (0.1 m configs, lifting by lookup) or `aspp` (0.075, by splat).
        num_bins: Depth bins.
        aspp_channels: Channels of the pyramid's branches; 0 without one.
        volume_channels: Channels of a volume that is rendered, or that queries read.
        decoder: None in a detector.
        field: None in a detector.
        volume_layers: Convolutions of a volume.
        head: None in a pre-training.
    """

    kind: Literal["pretraining", "detector"]
    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    levels: tuple[int, ...]
    mask_token: bool
    neck_channels: int
    neck_outputs: int
    depth_head: Literal["simple", "aspp"]
    num_bins: int
    aspp_channels: int
    volume_channels: int
    decoder: DecoderLayout | None
    field: FieldLayout | None
    volume_layers: int = 1
    head: QueryLayout | None = None

    @property
    def colour_layers(self) -> int:
        """Linear layers of the colour network; 0 without one."""
        return 0 if self.field is None else self.field.colour_layers


class LayoutError(ValueError):
    """The state dict is of no model of the authors' release."""


def read_layout(shapes: Shapes) -> OfficialLayout:
    """Describe the model of a state dict.

    Args:
        shapes: Shape of every weight, by official name, averaged weights (`ema_*`) left out.

    Raises:
        LayoutError: If a weight that says something about the model is missing or of a shape that
            no model of the release has.
    """
    _check_kind(shapes)
    is_pretraining = any(name.startswith("history_decoder.") for name in shapes)
    inputs = count(shapes, r"img_neck\.lateral_convs\.(\d+)\.conv\.weight")
    outputs = count(shapes, r"img_neck\.fpn_convs\.(\d+)\.conv\.weight")
    norms = indices(shapes, r"img_backbone\.norm(\d)\.weight")
    if not 1 <= inputs <= len(norms) or outputs < inputs:
        raise LayoutError(
            f"the neck has {inputs} inputs (img_neck.lateral_convs) and {outputs} outputs "
            f"(img_neck.fpn_convs), and the backbone puts out stages {norms} (img_backbone.norm*); "
            "expected at least as many outputs as inputs, and at most as many inputs as stages"
        )
    has_aspp = "depth_net.weight" not in shapes
    bins = size(shapes, "depth_net.depth_conv.4.weight" if has_aspp else "depth_net.weight", 0)
    aspp = "depth_net.depth_conv.3.aspp1.atrous_conv.weight"
    return OfficialLayout(
        kind="pretraining" if is_pretraining else "detector",
        depths=_per_stage(
            count(shapes, rf"img_backbone\.stages\.{s}\.(\d+)\.gamma") for s in range(4)
        ),
        widths=_per_stage(size(shapes, f"img_backbone.stages.{s}.0.gamma", 0) for s in range(4)),
        levels=norms[-inputs:],
        mask_token=any(name.startswith("img_backbone.mtoken") for name in shapes),
        neck_channels=size(shapes, "img_neck.lateral_convs.0.conv.weight", 0),
        neck_outputs=outputs,
        depth_head="aspp" if has_aspp else "simple",
        num_bins=bins,
        aspp_channels=size(shapes, aspp, 0) if has_aspp else 0,
        volume_channels=size(
            shapes, f"{'render_conv' if is_pretraining else 'view_trans.conv_layer.0'}.0.weight", 0
        ),
        decoder=_read_decoder(shapes) if is_pretraining else None,
        field=_read_field(shapes) if is_pretraining else None,
        volume_layers=1
        if is_pretraining
        else count(shapes, r"view_trans\.conv_layer\.(\d+)\.0\.weight"),
        head=None if is_pretraining else _read_head(shapes),
    )


def _check_kind(shapes: Shapes) -> None:
    """Refuse what is no model of the release before anything is looked for in it."""
    if "img_backbone.downsample_layers.0.0.weight" in shapes:
        return
    named = ", ".join(list(shapes)[:3]) or "nothing"
    backbone = any(name.startswith("img_backbone.") for name in shapes)
    reason = "img_backbone is no ConvNeXt" if backbone else "there is no img_backbone"
    raise LayoutError(
        f"not a MIM4D model of the authors' release: {reason} "
        f"(img_backbone.downsample_layers.0.0.weight is missing; it begins with {named})"
    )


def _read_decoder(shapes: Shapes) -> DecoderLayout:
    name = "history_decoder"
    num_sources = size(shapes, f"{name}.frame_embeds", 0) - 1
    first = {b: f"{name}.decoder_{b}.layers.0" for b in ("short", "long")}
    predictions = {
        b: size(shapes, f"{layer}.attentions.0.attention_weights.weight", 0)
        for b, layer in first.items()
    }
    if num_sources < 1 or predictions["long"] % num_sources:
        raise LayoutError(
            f"{name}: frame_embeds is for {num_sources + 1} frames, to which the "
            f"{predictions['long']} attention weights of decoder_long do not fit"
        )
    return DecoderLayout(
        num_sources=num_sources,
        channels=size(shapes, f"{name}.proj.0.weight", 1),
        width=size(shapes, f"{name}.queries_short.weight", 1),
        long_width=size(shapes, f"{name}.queries_long.weight", 1),
        num_layers=count(shapes, rf"{name}\.decoder_short\.layers\.(\d+)\.norms\.0\.weight"),
        num_cells=size(shapes, f"{name}.queries_short.weight", 0),
        short_predictions=predictions["short"],
        long_predictions=predictions["long"] // num_sources,
        short_ffn_width=size(shapes, f"{first['short']}.ffns.0.layers.0.0.weight", 0),
        long_ffn_width=size(shapes, f"{first['long']}.ffns.0.layers.0.0.weight", 0),
    )


def _read_field(shapes: Shapes) -> FieldLayout:
    name = "pts_bbox_head.render_model.field"
    pattern = re.escape(name)
    sdf_layers = count(shapes, rf"{pattern}\.sdf_decoder\.lin(\d+)\.weight")
    return FieldLayout(
        hidden=size(shapes, f"{name}.sdf_decoder.fc_p.weight", 0),
        sdf_layers=sdf_layers,
        colour_layers=count(shapes, rf"{pattern}\.rgb_decoder\.lin(\d+)\.weight"),
        geometry_features=size(shapes, f"{name}.sdf_decoder.lin{sdf_layers - 1}.weight", 0) - 1,
    )


def _read_head(shapes: Shapes) -> QueryLayout:
    name = "pts_bbox_head"
    layers = f"{name}.transformer.decoder.layers"
    placed = f"{name}.reference_points.weight" in shapes
    queries = f"{name}.{'reference_points' if placed else 'query_embedding'}.weight"
    return QueryLayout(
        queries="placed" if placed else "learned",
        num_queries=size(shapes, queries, 0),
        layers=count(shapes, rf"{re.escape(layers)}\.(\d+)\.norms\.0\.weight"),
        hidden=size(shapes, f"{layers}.0.ffns.0.layers.0.0.weight", 0),
    )


def square_side(num_cells: int) -> int:
    """Cells along each side of the square grid of a release.

    Raises:
        LayoutError: If it is no square.
    """
    side = math.isqrt(num_cells)
    if side * side != num_cells:
        raise LayoutError(f"history_decoder.queries_short is for {num_cells} cells, no square grid")
    return side


def size(shapes: Shapes, name: str, axis: int) -> int:
    """Length of one axis of a weight.

    Raises:
        LayoutError: If the weight is missing, has no such axis, or nothing along it.
    """
    if name not in shapes:
        raise LayoutError(f"lacks {name}")
    if axis >= len(shapes[name]) or shapes[name][axis] < 1:
        raise LayoutError(f"{name} has shape {tuple(shapes[name])}, which says nothing")
    return int(shapes[name][axis])


def indices(shapes: Shapes, pattern: str) -> tuple[int, ...]:
    """Numbers that stand in the group of a pattern, over all names that fit it, ascending."""
    found = (re.fullmatch(pattern, name) for name in shapes)
    return tuple(sorted({int(match[1]) for match in found if match}))


def count(shapes: Shapes, pattern: str) -> int:
    """How many names fit a pattern with different numbers."""
    return len(indices(shapes, pattern))


def _per_stage(values: Iterable[int]) -> tuple[int, int, int, int]:
    first, second, third, fourth = values
    return first, second, third, fourth
